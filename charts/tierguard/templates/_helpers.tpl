{{/* At most 52 characters, for the longest name of a Service or Deployment made of it (63) and its suffix. */}}
{{- define "tierguard.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride }}
{{- else if contains .Chart.Name .Release.Name }}
{{- .Release.Name | replace "." "-" | trunc 52 | trimAll "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name .Chart.Name | replace "." "-" | trunc 52 | trimAll "-" }}
{{- end }}
{{- end }}

{{- define "tierguard.operator" -}}
{{ include "tierguard.fullname" . }}-operator
{{- end }}

{{- define "tierguard.webhook" -}}
{{ include "tierguard.fullname" . }}-webhook
{{- end }}

{{/* The name that the operator gives to the Secret with the webhook's certificate (controller/options.py). */}}
{{- define "tierguard.servingSecret" -}}
{{ include "tierguard.fullname" . }}-webhook-tls
{{- end }}

{{/* The Secret with the webhook's paths. Another one only where cert-manager keeps the first. */}}
{{- define "tierguard.pathSecret" -}}
{{- if .Values.certManager.enabled }}
{{- include "tierguard.fullname" . }}-webhook-path
{{- else }}
{{- include "tierguard.servingSecret" . }}
{{- end }}
{{- end }}

{{/* The Secret with the CA's key: the operator's alone. */}}
{{- define "tierguard.authoritySecret" -}}
{{ include "tierguard.fullname" . }}-webhook-ca
{{- end }}

{{/* Takes (list context component), as what follows does. These never change: a Deployment's selector cannot. */}}
{{- define "tierguard.selectorLabels" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: {{ $root.Chart.Name }}
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{- define "tierguard.labels" -}}
{{- $root := index . 0 -}}
{{ include "tierguard.selectorLabels" . }}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" | trunc 63 | trimAll "-" }}
{{- end }}

{{/* The metadata of a pod template. Without helm.sh/chart: a new chart with the same pods restarts nothing. */}}
{{- define "tierguard.podMetadata" -}}
{{- $root := index . 0 -}}
labels:
  {{- include "tierguard.selectorLabels" . | nindent 2 }}
  app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
{{- with (index $root.Values (index . 1)).podAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* What both pods have in common: the restricted Pod Security Standard, and where they may run. */}}
{{- define "tierguard.pod" -}}
{{- $root := index . 0 -}}
{{- $component := index $root.Values (index . 1) -}}
serviceAccountName: {{ include "tierguard.fullname" $root }}-{{ index . 1 }}
automountServiceAccountToken: true
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  # For the key in the Secret's volume, which nobody else in the container reads.
  fsGroup: 65532
  seccompProfile:
    type: RuntimeDefault
{{- with $root.Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with $root.Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $component.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $component.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $component.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* What both containers have in common. There is no /tmp: neither process writes a file. */}}
{{- define "tierguard.container" -}}
{{- $root := index . 0 -}}
name: {{ index . 1 }}
image: {{ include "tierguard.image" $root | quote }}
{{- with $root.Values.image.pullPolicy }}
imagePullPolicy: {{ . }}
{{- end }}
env:
  - name: POD_NAMESPACE
    valueFrom:
      fieldRef:
        fieldPath: metadata.namespace
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
resources:
  {{- toYaml (index $root.Values (index . 1)).resources | nindent 2 }}
{{- end }}

{{- define "tierguard.image" -}}
{{- with .Values.image }}
{{- if .digest }}
{{- printf "%s@%s" .repository .digest }}
{{- else }}
{{- printf "%s:%s" .repository (.tag | default $.Chart.AppVersion) }}
{{- end }}
{{- end }}
{{- end }}

{{/* Arguments of both processes: they must know the same identities, as both decide. */}}
{{- define "tierguard.commonArguments" -}}
{{- range .Values.identities.autoscalers }}
- {{ printf "--autoscaler=%s" . | quote }}
{{- end }}
{{- range .Values.identities.controllers }}
- {{ printf "--controller=%s" . | quote }}
{{- end }}
{{- range .Values.identities.gitops }}
- {{ printf "--gitops=%s" . | quote }}
{{- end }}
{{- range .Values.identities.rotators }}
- {{ printf "--rotator=%s" . | quote }}
{{- end }}
{{- range .Values.immutableTags }}
- {{ printf "--immutable-tags=%s" . | quote }}
{{- end }}
{{- if ne .Values.logLevel "INFO" }}
- --log-level={{ .Values.logLevel }}
{{- end }}
{{- end }}

{{/* What a cluster needs to boot, and tierguard's own namespace, are never looked at. */}}
{{- define "tierguard.elsewhere" -}}
namespaceSelector:
  matchExpressions:
    - key: kubernetes.io/metadata.name
      operator: NotIn
      values: [kube-system, kube-node-lease, kube-public, {{ .Release.Namespace }}]
{{- end }}

{{/* The Secrets that the operator writes, as a list. */}}
{{- define "tierguard.secrets" -}}
{{- list (include "tierguard.servingSecret" .) (include "tierguard.authoritySecret" .) (include "tierguard.pathSecret" .) | uniq | toJson }}
{{- end }}

{{/* CEL: of what is below a field nothing differs between `variables.before` and `variables.after` but what is named. */}}
{{- define "tierguard.unchanged" -}}
{{- $field := first . -}}
{{- $but := rest . | toJson | replace "\"" "'" -}}
variables.after.?{{ $field }}.orValue({}).all(k, k in {{ $but }} || variables.before.?{{ $field }}.orValue({})[?k] == optional.of(variables.after.{{ $field }}[k])) && variables.before.?{{ $field }}.orValue({}).all(k, k in {{ $but }} || k in variables.after.?{{ $field }}.orValue({}))
{{- end }}
