#!/usr/bin/env bash
# Builds the container image and runs it as a cluster would: as its own user, on a read-only root.
# Exits with 0 only if `tierguard --help` ran that way and probe.py found nothing amiss.
#
# Uses docker or podman if one answers. Else buildah, as root and without an engine, on a base that debootstrap makes
# from this machine's own Debian or Ubuntu (once a week, kept in .cache/image).
#
#   IMAGE=name:tag   what to call the image (localhost/tierguard:dev)
#   BUILDER=...      docker, podman or buildah: that one and no other
#   BASE=name:tag    docker and podman: the base, if not the Dockerfile's
set -euo pipefail
cd "$(dirname "$0")/../.."

image=${IMAGE:-localhost/tierguard:dev}
user=65532:65532
cache=$PWD/.cache/image
subcommands=("" check)

say() { printf '%s\n' "image: $*"; }
fail() { say "$*" >&2; exit 1; }

answers() {
  command -v "$1" >/dev/null || return 1
  case $1 in
    docker) timeout 20 docker version --format '{{.Server.Version}}' >/dev/null 2>&1 ;;
    podman) timeout 20 podman info >/dev/null 2>&1 ;;
  esac
}

choose() {
  local engine
  for engine in docker podman; do
    if answers "$engine"; then echo "$engine"; return; fi
  done
  echo buildah
}

arguments() {
  local version revision
  version=$(sed -n 's/^__version__ = "\(.*\)"$/\1/p' operator/tierguard/__init__.py)
  revision=$(git rev-parse HEAD 2>/dev/null) || revision=unknown
  [[ $revision == unknown || -z $(git status --porcelain 2>/dev/null) ]] || revision+=-dirty
  build_args=(--build-arg "VERSION=${version:-unknown}" --build-arg "REVISION=$revision")
  local name
  for name in PIP_INDEX_URL PIP_DEFAULT_TIMEOUT; do
    [[ -z ${!name:-} ]] || build_args+=(--build-arg "$name=${!name}")
  done
}

# With `run ENTRYPOINT ARGUMENT...` (standard input goes along) defined by the builder.
check() {
  local name
  run python3 - < tests/image/probe.py | sed 's/^/  /' || fail "The image could not be run, or is not what the Dockerfile promises (see above)."
  for name in "${subcommands[@]}"; do
    say "tierguard ${name:+$name }--help"
    # shellcheck disable=SC2086 # an empty name is no argument
    run "$entrypoint" $name --help </dev/null | sed 's/^/  | /' || fail "It does not run in the image."
  done
}

# --- docker and podman ---

with_engine() {
  [[ -z ${BASE:-} ]] || build_args+=(--build-arg "BASE=$BASE")
  say "building $image with $builder"
  "$builder" build "${build_args[@]}" --tag "$image" .

  local configured restrictions
  configured=$("$builder" image inspect --format '{{.Config.User}} {{json .Config.Entrypoint}}' "$image")
  [[ $configured == "$user [\"tierguard\"]" ]] || fail "User and entry point are $configured."
  entrypoint=tierguard
  restrictions=(--read-only --network none --cap-drop ALL --security-opt no-new-privileges)
  [[ $builder == docker ]] || restrictions+=(--read-only-tmpfs=false)
  run() { "$builder" run --rm --interactive "${restrictions[@]}" --entrypoint "$1" "$image" "${@:2}"; }
  check
  size=$("$builder" image inspect --format '{{.Size}}' "$image")
  say "$image: $((size / 1000000)) MB, built with $builder in $SECONDS s"
}

# --- buildah ---

b() { buildah --root "$cache/$driver" --runroot "$work/run" --storage-driver "$driver" "$@"; }

require() {
  local missing=() tool
  for tool in buildah debootstrap; do
    command -v "$tool" >/dev/null || missing+=("$tool")
  done
  [[ ${#missing[@]} -eq 0 ]] || fail "Neither docker nor podman answers, and to build without them ${missing[*]} must be" \
    "installed. On Debian and Ubuntu: apt-get update && apt-get install --no-install-recommends ${missing[*]}"
  [[ $(id -u) -eq 0 ]] || fail "Neither docker nor podman answers, and to build without them takes root: sudo make image"
}

make_base() {
  local container root mirror log=$cache/debootstrap.log
  say "making the base from $suite's packages with debootstrap (once a week, about two minutes) …"
  container=$(b from scratch)
  root=$(b mount "$container")
  # From where this machine has its packages; else from debootstrap's own default.
  # shellcheck disable=SC2016 # the dollars are apt's
  mirror=$(apt-get indextargets --format '$(CODENAME) $(COMPONENT) $(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
    awk -v suite="$suite" '$1 == suite && $2 == "main" { print $3; exit }') || mirror=
  debootstrap --variant=minbase --components="$components" --include="$packages" \
    "$suite" "$root" ${mirror:+"$mirror"} >"$log" 2>&1 || { tail -n 20 "$log" >&2; fail "debootstrap failed; all it said: $log"; }
  rm -rf "${root:?}"/{var/cache/apt,var/lib/apt/lists,var/log,dev,usr/share/doc,usr/share/man,usr/share/locale,usr/share/info}/* \
    "${root:?}"/etc/{resolv.conf,hostname}
  chroot "$root" python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    fail "$suite has a Python older than 3.11. Build with docker or podman here."
  b config --env PATH=/usr/local/bin:/usr/bin:/bin "$container"
  b commit --quiet "$container" "$base" >/dev/null
  b rm "$container" >/dev/null
}

clean_up() {
  trap - EXIT INT TERM
  # The mounts go with this process's mount namespace.
  [[ ! -d $work/run ]] || b rm --all >/dev/null 2>&1 || true
  rm -rf "$work"
}

with_buildah() {
  require
  mkdir -p "$cache"
  exec 9>"$cache/lock"
  flock --nonblock 9 || { say "another build is under way; waiting for it …"; flock 9; }
  work=$(mktemp -d -p "$cache")
  trap clean_up EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM

  local components=main packages=python3,python3-venv,ca-certificates distribution suite base
  # shellcheck source=/dev/null
  read -r distribution suite < <(. /etc/os-release && echo "${ID:-} ${VERSION_CODENAME:-}")
  [[ -n $suite ]] || fail "This is no Debian or Ubuntu for debootstrap to copy. Build with docker or podman here."
  [[ $distribution != ubuntu ]] || components=main,universe
  base=localhost/tierguard-base:$suite-$(date +%G-%V)-$(declare -f make_base | cat - <(echo "$packages") | sha256sum | cut -c1-12)

  # vfs copies whole images, and so goes everywhere; overlay does not, inside other containers above all.
  mkdir -p "$work"/{lower,upper,overlay,merged}
  driver=vfs
  ! mount -t overlay -o "lowerdir=$work/lower,upperdir=$work/upper,workdir=$work/overlay" overlay "$work/merged" 2>/dev/null ||
    { driver=overlay; umount "$work/merged"; }

  b rm --all >/dev/null 2>&1 || true # what a killed run left
  if b inspect --type image "$base" >/dev/null 2>&1; then
    say "base: $base, from $cache"
  else
    b rmi --all --force >/dev/null 2>&1 || true
    make_base
    say "base: $base, made in $SECONDS s"
  fi

  # All that the build needs from this machine, in one folder and so at one mount point that every base has.
  local host=$cache/host certificates=${PIP_CERT:-/etc/ssl/certs/ca-certificates.crt}
  mkdir -p "$host"
  build_args+=(--build-arg "BASE=$base")
  rm -f "$host/ca-certificates.crt"
  if [[ -f $certificates ]]; then
    cp -L "$certificates" "$host/ca-certificates.crt"
    build_args+=(--build-arg PIP_CERT=/mnt/ca-certificates.crt)
  fi
  if [[ -d ${PIP_FIND_LINKS:-} ]]; then
    mkdir -p "$host/wheels"
    mount --bind "$PIP_FIND_LINKS" "$host/wheels"
    build_args+=(--build-arg PIP_FIND_LINKS=/mnt/wheels)
  fi

  say "building $image with $(buildah --version | cut -d' ' -f1-3) on $driver"
  local started=$SECONDS
  b build --isolation chroot --network host --pull-never --volume "$host:/mnt:ro" "${build_args[@]}" --tag "$image" . \
    >"$work/build.log" 2>&1 </dev/null || { cat "$work/build.log" >&2; fail "The build failed."; }
  say "built in $((SECONDS - started)) s"

  local configured environment container
  configured=$(b inspect --type image --format '{{.OCIv1.Config.User}} {{.OCIv1.Config.Entrypoint}}' "$image")
  [[ $configured == "$user [tierguard]" ]] || fail "User and entry point are $configured."
  entrypoint=tierguard
  # HOME as the container runtimes set it for a user without a line in /etc/passwd.
  mapfile -t environment < <(b inspect --type image --format '{{range .OCIv1.Config.Env}}{{println .}}{{end}}' "$image" | sed '/^$/d')

  container=$(b from --pull-never "$image")
  root=$(b mount "$container")
  mount --bind "$root" "$root"
  mount -o remount,bind,ro "$root"
  mount -t tmpfs -o mode=0755,nosuid,noexec tmpfs "$root/dev"
  local device
  for device in null zero full random urandom; do
    : >"$root/dev/$device"
    mount --bind "/dev/$device" "$root/dev/$device"
  done
  run() {
    unshare --fork --kill-child --net --ipc --uts --pid --mount-proc="$root/proc" \
      setpriv --no-new-privs chroot --userspec="$user" --groups= "$root" /usr/bin/env -i HOME=/ "${environment[@]}" "$@"
  }
  check

  local own
  own=$(du -sm "$root/opt/tierguard" | cut -f1)
  size=$(b images --format '{{.Size}}' "$image")
  b rm "$container" >/dev/null
  b rmi --prune >/dev/null 2>&1 || true
  say "$image: $size, $own MB of it tierguard and what it needs, the rest the base; all in $SECONDS s"
}

builder=${BUILDER:-$(choose)}
arguments
case $builder in
  docker | podman)
    answers "$builder" || fail "$builder does not answer."
    with_engine
    ;;
  buildah)
    require
    # In a mount namespace of its own, so that no mount outlives this script, however it ends.
    [[ ${1:-} == --private ]] || exec unshare --mount --propagation private env BUILDER=buildah "$BASH" "tests/image/${0##*/}" --private
    with_buildah
    ;;
  *) fail "BUILDER is docker, podman or buildah, not $builder." ;;
esac
