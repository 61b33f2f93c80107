// What is the same wherever the module runs: objects to requests, answers to objects.
import { call } from "./dist/image_factory.js";

const ABI_VERSION = 1;
const MAX_ROUNDS = 8;
/** The longest request that the module takes, in bytes. */
const MAX_REQUEST = 96_000_000;
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** An answer with an error among its diagnostics. */
export class FactoryError extends Error {
  constructor(answer) {
    const errors = (answer.diagnostics ?? []).filter((found) => found.severity === "error");
    super(errors.map(print).join("\n") || `the answer's exit code is ${answer.exit}`);
    this.name = "FactoryError";
    this.answer = answer;
    this.diagnostics = answer.diagnostics ?? [];
  }
}

function print({ code, file, line, column, message }) {
  return `${file === undefined ? "" : `${file}:${line}:${column}: `}${message} (${code})`;
}

export class Engine {
  /** Bytes to bytes: the whole contract. */
  call(request) {
    // One that is too long is refused for its length, so no more than that is copied into the module.
    return call(request.length > MAX_REQUEST ? request.subarray(0, MAX_REQUEST + 1) : request);
  }

  /** One request, one answer; the answer may ask for more with `needs`. */
  ask(request) {
    const text = JSON.stringify({ abi: ABI_VERSION, ...request });
    return JSON.parse(decoder.decode(this.call(encoder.encode(text))));
  }

  about() {
    return this.ask({ verb: "about" }).output;
  }

  generate(tree, args = {}) {
    const answer = checked(this.ask({ verb: "generate", tree, args }));
    return { manifests: answer.manifests ?? [], diagnostics: answer.diagnostics ?? [] };
  }

  check(tree, args = {}) {
    return this.ask({ verb: "check", tree, args }).diagnostics ?? [];
  }

  async analyze(tree, { fetch, now, ...args }) {
    const fetched = { git: [], registry: [], ci: [] };
    for (let round = 0; round < MAX_ROUNDS; round++) {
      const answer = this.ask({ verb: "analyze", tree, args, now, fetched });
      if (!answer.needs) {
        checked(answer);
        return {
          files: answer.files ?? {},
          messages: answer.messages ?? [],
          diagnostics: answer.diagnostics ?? [],
        };
      }
      const more = await fetch(answer.needs);
      fetched.git.push(...(more.git ?? []));
      fetched.registry.push(...(more.registry ?? []));
      fetched.ci.push(...(more.ci ?? []));
    }
    throw new Error(`the module still asks for more after ${MAX_ROUNDS} rounds`);
  }

  bases(dockerfile, { file = "Dockerfile", ...args } = {}) {
    const answer = this.ask({ verb: "bases", args: { files: [{ file, text: dockerfile }], ...args } });
    if (!answer.output) throw new FactoryError(answer);
    return answer.output[0];
  }
}

function checked(answer) {
  if (answer.exit) throw new FactoryError(answer);
  return answer;
}
