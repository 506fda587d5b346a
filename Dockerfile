# The one image: the runner, and with other commands the stack's services.
#
#   docker build --build-arg ENG5_GIT_SHA="$(git rev-parse HEAD)" --tag eng5-runner:local .
#
# Behind a proxy or a mirror, pip's settings go in for the time of one step and into no layer:
#
#   docker build --secret id=pip.conf,src=pip.conf --secret id=ca.pem,src=ca.pem …
#
# BASE_IMAGE may name any image with python3 (3.11 or later) and its venv module. The default is pinned by digest; to
# renew it, look the tag's digest up in the registry and change both.
ARG BASE_IMAGE=python:3.11-slim-bookworm@sha256:a36c24f9cbdf4fd0f52d67f0823eeac19c2028c637cecc392d97f980d4fec56b

# ---- what the lock names, each file checked against its hash -----------------------------------------------------
FROM ${BASE_IMAGE} AS builder
WORKDIR /build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
RUN python3 -m venv tools
COPY requirements.lock ./
RUN --mount=type=secret,id=pip.conf,target=/etc/pip.conf \
    --mount=type=secret,id=ca.pem,target=/run/secrets/ca.pem \
    if [ -s /run/secrets/ca.pem ]; then export PIP_CERT=/run/secrets/ca.pem; fi; \
    tools/bin/pip download --quiet --require-hashes --no-deps --only-binary :all: --dest wheels -r requirements.lock

# From here on no index is asked. The build's own tools stay in this stage: the environment that leaves it holds what the
# project's metadata asks for at run time, and nothing else, not even pip.
RUN tools/bin/pip install --quiet --no-index --find-links wheels hatchling
COPY pyproject.toml README.md LICENSE ./
COPY schemas schemas
COPY examples/eng5_demo examples/eng5_demo
COPY eng5_runner eng5_runner
RUN tools/bin/pip wheel --quiet --no-index --no-deps --no-build-isolation --wheel-dir wheels . \
    && python3 -m venv --without-pip /opt/eng5-runner \
    && tools/bin/pip --python /opt/eng5-runner/bin/python install --quiet --no-index --find-links wheels eng5-runner

# ---- what runs ---------------------------------------------------------------------------------------------------
FROM ${BASE_IMAGE} AS runtime

# /eng5/runs belongs to the user, so that a named volume mounted there does too. There is no home to write to.
RUN groupadd --gid 10001 eng5 \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin eng5 \
    && install --directory --mode 0755 /eng5 /eng5/assets \
    && install --directory --mode 0755 --owner 10001 --group 10001 /eng5/runs /eng5/stack-data
COPY --from=builder /opt/eng5-runner /opt/eng5-runner

ENV PATH=/opt/eng5-runner/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    LANG=C.UTF-8 \
    HOME=/nonexistent \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    ENG5_ASSETS=assets \
    ENG5_CACHE_DIR=/tmp/eng5-cache

# Last, since it changes with every commit: nothing above is built again for it.
ARG ENG5_GIT_SHA=UNKNOWN
# buildah 1.28 takes the next line from its cache whatever the argument's value: the commit of an earlier image. A step
# that runs, it builds again for another value, and all that follow.
RUN : "${ENG5_GIT_SHA}"
ENV ENG5_GIT_SHA=${ENG5_GIT_SHA}
LABEL org.opencontainers.image.title="eng5-runner" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.revision="${ENG5_GIT_SHA}"

USER 10001:10001
WORKDIR /eng5
# No HEALTHCHECK here: the runner ends by itself. The services' checks are in the compose file.
ENTRYPOINT ["eng5-runner"]
CMD ["--help"]
