# The image of the service: `docker build --tag extension-registry:latest .`
# scripts/check-deploy puts the last stage together without an engine and runs it, from these lines.

FROM rust:1.95.0-slim-bookworm AS build
WORKDIR /src
# Renames nothing. Cargo names its files by the flags, and their order is that of the program; flags of
# this kind do not count, but none at all is not the same: so the program is that of scripts/release.
ENV RUSTFLAGS="--remap-path-prefix=/src=/src"
# .dockerignore lets in what the build needs. Tests and benches are not here, so the manifest must not
# name them.
COPY . .
RUN sed -i '/^\[\[/,/^$/d' Cargo.toml
# What `--version` tells, as there is no repository here: `--build-arg SOURCE_COMMIT=$(git rev-parse HEAD)`
# and `--build-arg SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)`.
ARG SOURCE_COMMIT=""
ARG SOURCE_DATE_EPOCH=""
# The caches keep downloads and compiled dependencies between builds. COPY keeps times of change, and
# cargo goes by them: our own sources are compiled each time.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    find src crates -name '*.rs' -exec touch {} + \
 && cargo build --locked --release --bin extension-registry \
 && cp target/release/extension-registry /usr/local/bin/

FROM debian:bookworm-slim
# ca-certificates: the roots that backends are trusted by. curl: health checks written by hand.
# Their versions are those of the base image's release, which is where fixes come from.
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install --yes --no-install-recommends ca-certificates curl \
 && rm -rf /var/lib/apt/lists/* \
 && groupadd --gid 1000 registry \
 && useradd --uid 1000 --gid 1000 --home-dir /app --no-create-home --shell /usr/sbin/nologin registry \
 && ln -s extension-registry /usr/local/bin/extreg \
 && install --directory --owner 1000 --group 1000 --mode 0700 /var/lib/extension-registry
COPY --from=build /usr/local/bin/extension-registry /usr/local/bin/extension-registry
# ./config.toml is found here without arguments. Nothing is written here.
WORKDIR /app
# By number, so that Kubernetes sees it is not root. 1000 is, more often than not, who owns the
# tokens that are mounted, with mode 600.
USER 1000:1000
EXPOSE 8082
STOPSIGNAL SIGTERM
# Whether it lives, and not whether it is ready: what is unhealthy is restarted, which mends no backend.
HEALTHCHECK --interval=30s --timeout=5s --start-period=5s --retries=3 CMD ["/usr/local/bin/extension-registry", "healthcheck"]
ENTRYPOINT ["/usr/local/bin/extension-registry"]
