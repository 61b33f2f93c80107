// The page's input to what the module says of it. The page is the module's host: it has the clock, and
// where the module asks for a Dockerfile of a repository it gets the one that stands in the page.
import { dump, FAILSAFE_SCHEMA, load as parse } from "js-yaml";

export const DOCKERFILE = "Dockerfile";
// Of no repository: the page has no commits.
const COMMIT = "0".repeat(40);

/** All of the page: base images, diagnostics with the page's file names, edges, YAML, messages. */
export function answer(module, { files, image, buildArgs, target }) {
  const { [DOCKERFILE]: dockerfile = "", ...tree } = files;
  const now = `${new Date().toISOString().slice(0, 19)}Z`;
  const build = { buildArgs, ...(target && { target }) };
  const found = [];

  // images.yaml wins, as it does on the command line.
  const { source } = managed(files).find(({ name }) => name === image) ?? {};
  const bases = module.bases(dockerfile, { ...build, ...written(source, files, buildArgs) });
  found.push(...bases.diagnostics);

  let messages = [];
  if (source) {
    const analysis = analyze(module, { verb: "analyze", tree, args: { images: [image], ...build }, now }, dockerfile);
    found.push(...analysis.diagnostics);
    messages = analysis.messages;
    for (const [path, text] of Object.entries(analysis.files)) {
      if (text === null) delete tree[path];
      else tree[path] = text;
    }
  }
  const rendered = module.ask({ verb: "generate", tree, args: { allowEmpty: true } });
  found.push(...(rendered.diagnostics ?? []));
  const status = module.ask({ verb: "status", tree, now }).output ?? {};
  return {
    bases: bases.images,
    diagnostics: once(found),
    edges: source ? recorded(status) : [...alone(bases.images), ...recorded(status)],
    manifests: (rendered.manifests ?? []).map((manifest) => dump(manifest, { lineWidth: -1 })).join("---\n"),
    messages,
  };
}

/** The managed images of images.yaml: name and source; none while it is no YAML. */
export function managed(files) {
  const images = read(files["images.yaml"]);
  return Array.isArray(images) ? images.filter((image) => image?.name && image.source) : [];
}

/** Every scalar is its text: `1.10` is a version, and no number. */
function read(text) {
  try {
    return parse(text ?? "", { schema: FAILSAFE_SCHEMA });
  } catch {
    return undefined;
  }
}

/** What the enrolment says of the build, as arguments of `bases`. */
function written(source, files, buildArgs) {
  if (!source) return {};
  const platforms = source.platforms ?? read(files["factory.yaml"])?.platforms;
  const is = (kind, value) => value !== null && typeof value === "object" && Array.isArray(value) === (kind === "list");
  return {
    ...(is("map", source.buildArgs) && { buildArgs: { ...buildArgs, ...source.buildArgs } }),
    ...(is("map", source.buildContexts) && { buildContexts: source.buildContexts }),
    ...(is("list", platforms) && { platforms }),
    ...(typeof source.target === "string" && { target: source.target }),
  };
}

/** Two rounds: the module names the Dockerfile that it needs, and gets the page's. */
function analyze(module, request, dockerfile) {
  let answer = module.ask(request);
  const asked = new Set();
  if (answer.needs) {
    const git = (answer.needs.git ?? []).map(({ url, reference, paths }) => {
      for (const path of paths) asked.add(path);
      return { url, reference, commit: COMMIT, files: Object.fromEntries(paths.map((path) => [path, dockerfile])) };
    });
    answer = module.ask({ ...request, fetched: { git } });
  }
  const diagnostics = (answer.diagnostics ?? []).map((found) =>
    asked.has(found.file) ? { ...found, file: DOCKERFILE } : found,
  );
  return { files: answer.files ?? {}, messages: answer.messages ?? [], diagnostics };
}

/** The first of those that have one code and place: several verbs read the same files. */
function once(found) {
  const seen = new Set();
  return found.filter(({ code, file, line, column, message }) => {
    const key = JSON.stringify(file === undefined ? [code, message] : [code, file, line, column]);
    return !seen.has(key) && seen.add(key);
  });
}

/** The edges of a Dockerfile that is no image's: [from, to, roles]. */
function alone(images) {
  return images.map(({ reference, roles }) => [reference, DOCKERFILE, roles.join(", ")]);
}

/** The edges that state holds, as `status` tells them. */
function recorded({ images = [], bases = [] }) {
  const name = new Map(bases.map((base) => [base.name, base.image]));
  const uses = images.flatMap((image) =>
    (image.bases ?? []).map((base) => [name.get(base.name) ?? base.name ?? base.reference, image.name, (base.roles ?? []).join(", ")]),
  );
  const publishes = bases.filter((base) => base.publishedBy).map((base) => [base.publishedBy, base.image, "publishes"]);
  return [...uses, ...publishes];
}
