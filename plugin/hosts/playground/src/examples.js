// Each is what a first look asks for: a Dockerfile alone, and a factory around it.
const web = `- name: web
  registry: ghcr.io
  repository: acme/web
  source: {provider: github, repo: acme/web, dockerfile: Dockerfile, workflow: web.yml}
  rebuildDelay: 7d
- name: redis
  registry: docker.io
  repository: library/redis
  allowTags: ^7
`;

export const examples = {
  "Build stages and an argument": {
    files: {
      Dockerfile: `ARG NODE_VERSION=22
FROM node:\${NODE_VERSION}-bookworm AS build
WORKDIR /src
COPY . .
RUN npm ci && npm run build

FROM golang:1.26 AS tools
RUN go install example.com/tool@latest

FROM gcr.io/distroless/nodejs22-debian12
COPY --from=build /src/dist /app
COPY --from=busybox:1.37 /bin/wget /wget
`,
      "images.yaml": web,
    },
  },
  "A platform image, with state": {
    image: "web",
    files: {
      Dockerfile: `FROM golang:1.26 AS build
RUN go build -o /web ./cmd/web

FROM ghcr.io/acme/platform:1
COPY --from=build /web /web
`,
      "images.yaml": `- name: platform
  registry: ghcr.io
  repository: acme/platform
  source: {provider: github, repo: acme/platform, workflow: build.yml}
- name: web
  registry: ghcr.io
  repository: acme/web
  source: {provider: github, repo: acme/web, workflow: build.yml}
`,
      // As `image-factory analyze --image platform` wrote it.
      "state/images/platform.yaml": `name: platform
enrolledAt: "2026-01-05T10:00:00Z"
lastDiscovery: "2026-01-05T10:00:00Z"
discoveryStatus: success
enrollment:
  registry: ghcr.io
  repository: acme/platform
  source:
    provider: github
    repo: acme/platform
    workflow: build.yml
baseImages:
  - debian-13-slim
bases:
  - name: debian-13-slim
    roles:
      - final
    holds: null
currentVersion: null
currentDigest: null
lastBuilt: null
rebuildState:
  status: monitoring
  pendingRebuild: false
`,
      "state/base-images/debian-13-slim.yaml": `name: debian-13-slim
fullImage: debian:13-slim
registry: docker.io
repository: library/debian
tag: "13-slim"
repoURL: docker.io/library/debian
allowTags: "^13-slim$"
imageSelectionStrategy: Lexical
firstDiscovered: "2026-01-05T10:00:00Z"
lastChecked: "2026-01-05T10:00:00Z"
dependentImages:
  - platform
currentDigest: null
previousDigest: null
lastUpdated: null
updateHistory: []
`,
    },
  },
  "An argument without a value": {
    files: { Dockerfile: "ARG TAG\nFROM alpine:${TAG}\n", "images.yaml": web },
  },
  "A mistake in images.yaml": {
    files: { Dockerfile: "FROM alpine:3.22\n", "images.yaml": web.replace("allowTags: ^7", "allowTags: ^(7") },
  },
};
