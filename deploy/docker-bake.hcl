# Both images with buildx, from the root of the repository:
#
#   docker buildx bake -f deploy/docker-bake.hcl                     for this machine, as localhost/…:dev
#   REGISTRY=ghcr.io/team TAG=0.1.0 COMMIT=$(git rev-parse HEAD) \
#     docker buildx bake -f deploy/docker-bake.hcl release --push    for amd64 and arm64, to a registry

variable "REGISTRY" {
  default = "localhost"
}

variable "TAG" {
  default = "dev"
}

variable "COMMIT" {
  default = "unknown"
}

group "default" {
  targets = ["jobwright", "jobwright-worker"]
}

group "release" {
  targets = ["jobwright-release", "jobwright-worker-release"]
}

target "common" {
  context = "."
  args = {
    VERSION = TAG
    COMMIT  = COMMIT
  }
}

target "platforms" {
  platforms = ["linux/amd64", "linux/arm64"]
}

target "jobwright" {
  inherits   = ["common"]
  dockerfile = "deploy/Dockerfile"
  tags       = ["${REGISTRY}/jobwright:${TAG}"]
}

target "jobwright-worker" {
  inherits   = ["common"]
  dockerfile = "deploy/worker.Dockerfile"
  tags       = ["${REGISTRY}/jobwright-worker:${TAG}"]
}

target "jobwright-release" {
  inherits = ["jobwright", "platforms"]
}

target "jobwright-worker-release" {
  inherits = ["jobwright-worker", "platforms"]
}
