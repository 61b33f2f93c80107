// Compiled, never run: the types say what the README does.
import { FactoryError, load, type Diagnostic, type Manifest } from "image-factory";

const engine = await load();
const manifests: Manifest[] = engine.generate({ "images.yaml": "[]" }, { allowEmpty: true }).manifests;
const name: string = manifests[0]!.metadata.name;
const found: Diagnostic[] = engine.bases("FROM alpine", { target: "final" }).diagnostics;
const digest: string = engine.about().schemas.images;
const { files } = await engine.analyze({}, { fetch: () => ({ git: [] }), now: "2026-01-05T10:00:00Z", images: ["web"] });
// @ts-expect-error An argument that there is not.
await engine.analyze({}, { fetch: () => ({}), now: "", image: "web" });
// @ts-expect-error A schema that there is not.
engine.about().schemas.paint;
// @ts-expect-error A verb that there is not.
engine.ask({ verb: "paint" });
// @ts-expect-error An argument of another type.
engine.bases("FROM alpine", { buildArgs: ["A=1"] });
const error: Error = new FactoryError();
console.log(name, found, error, digest, files);
