# The worker: what the shipped templates run in a job's pod, as /app/jobwright-worker, and as /app/dummyjob under the
# name that it had before.
#
#   docker build -f deploy/worker.Dockerfile -t localhost/jobwright-worker:dev .
#
# It has no health check: a job is well until it ends.

ARG BUILD_IMAGE=docker.io/library/rust:1.95-bookworm
ARG RUNTIME_IMAGE=gcr.io/distroless/cc-debian12:nonroot

FROM ${BUILD_IMAGE} AS build
WORKDIR /build

# The dependencies: built anew only when a manifest changes.
COPY Cargo.toml Cargo.lock ./
COPY worker/Cargo.toml worker/
COPY deploy/stub-sources /usr/local/bin/
RUN stub-sources && cargo build --profile worker --locked --package jobwright-worker

# The program. What was built from the stubs is forgotten, because cargo goes by the times of files, and those of the
# sources may be older.
COPY worker/src worker/src
RUN cargo clean --profile worker --package jobwright-worker \
    && cargo build --profile worker --locked --package jobwright-worker \
    && install -D target/worker/jobwright-worker /out/app/jobwright-worker \
    && ln -s jobwright-worker /out/app/dummyjob

FROM ${RUNTIME_IMAGE}
ARG VERSION=unreleased
ARG COMMIT=unknown
ARG RUNTIME_IMAGE
LABEL org.opencontainers.image.title="Jobwright worker" \
    org.opencontainers.image.description="Runs inside a job and reports for it" \
    org.opencontainers.image.licenses="Apache-2.0" \
    org.opencontainers.image.source="https://github.com/jobwright/jobwright" \
    org.opencontainers.image.version="${VERSION}" \
    org.opencontainers.image.revision="${COMMIT}" \
    org.opencontainers.image.base.name="${RUNTIME_IMAGE}"
COPY --from=build /out/app /app
USER 65532:65532
WORKDIR /app
ENTRYPOINT ["/app/jobwright-worker"]
CMD ["--help"]
