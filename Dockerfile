# One image for all of tierguard: operator, webhook and command line.
# `make image` builds it and runs it as a cluster would. On its own:
#   docker build --build-arg VERSION=0.1.0 --build-arg REVISION=$(git rev-parse HEAD) -t tierguard .

# Any image with python3 >= 3.11 and its venv module, glibc, and the CA certificates.
# Both stages use it: the virtual environment points to the base's interpreter.
ARG BASE=docker.io/library/python:3.14-slim-trixie

FROM ${BASE} AS builder
# How pip finds its way out of a closed network; none of it reaches the final stage.
ARG PIP_CERT
ARG PIP_INDEX_URL
ARG PIP_FIND_LINKS
ARG PIP_DEFAULT_TIMEOUT
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /build

# The tools, pip among them, live in an environment of their own. Hatchling and what it needs come from the
# development lock; should it come to need more, pip refuses what has no hash here.
COPY requirements-dev.lock ./
RUN python3 -m venv tools \
 && awk '/^[a-z]/ { keep = $1 ~ /^(hatchling|packaging|pathspec|pluggy|tomlkit|trove-classifiers)==/ } keep' \
      requirements-dev.lock > build.lock \
 && tools/bin/pip install --quiet --require-hashes --only-binary :all: -r build.lock

COPY requirements.lock ./
RUN python3 -m venv --without-pip /opt/tierguard \
 && tools/bin/pip --python /opt/tierguard/bin/python install --quiet --no-compile \
      --require-hashes --no-deps --only-binary :all: -r requirements.lock

COPY pyproject.toml README.md LICENSE ./
COPY operator operator
# The bytecode is never checked against its source: nobody can change either, and layers may lose times.
RUN tools/bin/pip wheel --quiet --no-deps --no-build-isolation --no-index --wheel-dir dist . \
 && tools/bin/pip --python /opt/tierguard/bin/python install --quiet --no-compile --no-deps --no-index dist/*.whl \
 && /opt/tierguard/bin/python -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/tierguard/lib

FROM ${BASE}
# What the base brings for installing Python packages.
RUN rm -rf /usr/local/bin/pip* /usr/local/lib/python3*/site-packages/pip* \
      /usr/local/lib/python3*/ensurepip /usr/lib/python3*/ensurepip /usr/share/python-wheels
COPY --from=builder /opt/tierguard /opt/tierguard
# USER as a variable: kopf names itself by it, and the user id has no line in /etc/passwd.
ENV PATH=/opt/tierguard/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    USER=tierguard
USER 65532:65532
WORKDIR /
ENTRYPOINT ["tierguard"]

# Last, for they change with every commit.
ARG BASE
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="tierguard" \
      org.opencontainers.image.description="Keeps payment platforms on Kubernetes from being broken by change." \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.base.name="${BASE}"
