// Compiled, never run: the types say what the README does.
import { FactoryError, load, type Diagnostic, type Manifest } from "image-factory";

const engine = await load();
const manifests: Manifest[] = engine.generate({ "images.yaml": "[]" }, { allowEmpty: true }).manifests;
const name: string = manifests[0]!.metadata.name;
const found: Diagnostic[] = engine.bases("FROM alpine", { target: "final" }).diagnostics;
// @ts-expect-error A verb that there is not.
engine.ask({ verb: "paint" });
// @ts-expect-error An argument of another type.
engine.bases("FROM alpine", { buildArgs: ["A=1"] });
const error: Error = new FactoryError();
console.log(name, found, error);
