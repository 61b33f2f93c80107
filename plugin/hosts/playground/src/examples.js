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
  "An argument without a value": {
    files: { Dockerfile: "ARG TAG\nFROM alpine:${TAG}\n", "images.yaml": web },
  },
  "A mistake in images.yaml": {
    files: { Dockerfile: "FROM alpine:3.22\n", "images.yaml": web.replace("allowTags: ^7", "allowTags: ^(7") },
  },
};
