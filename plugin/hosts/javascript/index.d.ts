/** A file's place in the factory's folder, to its text. */
export type Tree = Record<string, string | Refused>;

/** A file that a host did not read, and why. */
export interface Refused {
  refused:
    | "symlink"
    | "not-a-file"
    | { "not-utf8": { line: number; column: number } }
    | { "too-large": { bytes: number; limit: number } }
    | { unreadable: string };
}

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

export type Verb =
  | "about"
  | "analyze"
  | "bases"
  | "check"
  | "generate"
  | "look"
  | "observe"
  | "prove"
  | "reconcile"
  | "reference"
  | "status"
  | "sweep"
  | "what-if";

export interface Request {
  verb: Verb;
  args?: object;
  /** RFC 3339 in UTC, to the second. */
  now?: string;
  tree?: Tree;
  fetched?: Fetched;
}

export interface Answer {
  needs?: Needs;
  /** Changed files; null deletes one. */
  files?: Record<string, string | null>;
  manifests?: Manifest[];
  output?: Json;
  diagnostics?: Diagnostic[];
  messages?: string[];
  exit?: number;
}

/** A Kubernetes object. */
export interface Manifest {
  apiVersion: string;
  kind: string;
  metadata: {
    name: string;
    namespace?: string;
    labels?: Record<string, string>;
    annotations?: Record<string, string>;
  };
  spec?: { [key: string]: Json };
}

export interface Diagnostic {
  code: string;
  severity: "error" | "warning";
  message: string;
  file?: string;
  /** From 1. */
  line?: number;
  /** In characters, from 1. */
  column?: number;
  length?: number;
  /** The line as it stands in the file. */
  source?: string;
  hint?: string;
}

export interface Needs {
  git?: GitNeed[];
  registry?: RegistryNeed[];
  ci?: CiNeed[];
}

export interface GitNeed {
  url: string;
  /** A branch, tag or commit; empty for the remote's HEAD. */
  reference: string;
  paths: string[];
}

export interface RegistryNeed {
  image: string;
  kind: "head" | "manifest" | "blob";
}

/** One question to the API of CI. */
export interface CiNeed {
  provider: "github" | "gitlab";
  /** What follows the API's URL. */
  path: string;
}

export interface Fetched {
  git?: GitFetched[];
  registry?: RegistryFetched[];
  ci?: CiFetched[];
}

export interface GitFetched {
  url: string;
  reference: string;
  commit?: string;
  /** null where the commit has no such file. */
  files?: Record<string, string | null>;
  error?: string;
}

export interface RegistryFetched {
  image: string;
  kind: "head" | "manifest" | "blob";
  digest?: string;
  mediaType?: string;
  text?: string;
  error?: string;
  reason?: Reason;
}

export interface CiFetched {
  provider: "github" | "gitlab";
  path: string;
  text?: string;
  error?: string;
  reason?: Reason;
}

export type Reason = "unreachable" | "limited" | "denied" | "missing" | "refused";

export interface About {
  name: string;
  version: string;
  abi: number;
  verbs: Verb[];
  /** The digests of the JSON Schemas: of the envelope, and of the files that the module reads and writes. */
  schemas: Record<"envelope" | "factory" | "images" | "state", string>;
}

export interface BasesArguments {
  /** The name in the answer and in diagnostics. */
  file?: string;
  buildArgs?: Record<string, string>;
  target?: string;
  platforms?: string[];
  buildPlatform?: string;
  buildContexts?: Record<string, string>;
  onbuild?: Record<string, string[]>;
  namedContexts?: boolean;
}

export interface Bases {
  file: string;
  images: BaseImage[];
  unresolved: Unresolved[];
  diagnostics: Diagnostic[];
}

export interface BaseImage {
  reference: string;
  platform: string;
  roles: string[];
  used: boolean;
  where: Place[];
  arguments: string[];
}

export interface Place {
  line: number;
  column: number;
}

export interface Unresolved extends Place {
  argument: string;
  used: boolean;
  text: string;
}

export interface AnalyzeArguments {
  fetch(needs: Needs): Fetched | Promise<Fetched>;
  /** RFC 3339 in UTC, to the second. */
  now: string;
  /** The images to look at, by name. */
  images?: string[];
  /** All of them; state of others goes to the archive. */
  all?: boolean;
  /** The tag and digest that the one image was published as. */
  tag?: string;
  digest?: string;
  /** What images.yaml does not say. */
  dockerfile?: string;
  buildArgs?: Record<string, string>;
  target?: string;
  sourceRepo?: string;
  sourceProvider?: string;
  sourceBranch?: string;
  sourceCommit?: string;
  /** Whether to look at the one image in its registry, too. */
  live?: boolean;
}

/** An answer with an error among its diagnostics. */
export class FactoryError extends Error {
  readonly answer: Answer;
  readonly diagnostics: Diagnostic[];
}

export interface Engine {
  /** Bytes to bytes: a JSON request to a JSON answer. Never throws for what the bytes are. */
  call(request: Uint8Array): Uint8Array;
  ask(request: Request): Answer;
  about(): About;
  /** Throws a FactoryError where a file is wrong. */
  generate(
    tree: Tree,
    args?: { kargoVersion?: string; allowEmpty?: boolean },
  ): { manifests: Manifest[]; diagnostics: Diagnostic[] };
  check(tree: Tree, args?: { [argument: string]: Json }): Diagnostic[];
  /** Rejects with a FactoryError where a file is wrong or something could not be fetched. */
  analyze(
    tree: Tree,
    args: AnalyzeArguments,
  ): Promise<{ files: Record<string, string | null>; messages: string[]; diagnostics: Diagnostic[] }>;
  /** What is wrong with the Dockerfile stands in the answer's diagnostics. */
  bases(dockerfile: string, args?: BasesArguments): Bases;
}

/** Loads the module, once; other bytes than the package's own can be given. */
export function load(source?: BufferSource | WebAssembly.Module): Promise<Engine>;
