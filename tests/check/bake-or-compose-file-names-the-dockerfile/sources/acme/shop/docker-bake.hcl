target "web" {
  dockerfile = "apps/web/Dockerfile"
  args = { NODE = "22" }
}
