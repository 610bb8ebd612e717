# One image for every process; the command says which. Stage one builds, stage two holds only what runs.
FROM python:3.13-slim AS build

ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /src
RUN python -m venv /opt/venv

# The dependencies change seldom: a layer of their own. Wheels only, so that no compiler is missed.
COPY requirements.lock ./
RUN /opt/venv/bin/python -m pip install --require-hashes --only-binary :all: -r requirements.lock

COPY pyproject.toml README.md LICENSE ./
COPY api api
COPY cli cli
COPY shared shared
COPY simulator simulator
COPY worker worker
# What has built the project does not go along; `pip check` says if something else had needed it.
RUN /opt/venv/bin/python -m pip install --no-deps --no-build-isolation . \
    && /opt/venv/bin/python -m pip uninstall --yes editables hatchling pathspec pluggy tomlkit trove-classifiers \
    && /opt/venv/bin/python -m pip check \
    && /opt/venv/bin/python -m pip uninstall --yes pip


FROM python:3.13-slim

RUN python -m pip uninstall --yes --root-user-action=ignore pip \
    && useradd --system --uid 10001 --no-create-home --home-dir /data --shell /usr/sbin/nologin customer-memory \
    && install --directory --owner=customer-memory --mode=0700 /data
COPY --from=build /opt/venv /opt/venv

ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 DATA_DIR=/data
USER customer-memory
WORKDIR /data
EXPOSE 8080
CMD ["python", "-m", "api"]
