/* global MODULE */
import { defaultKeymap, history, historyKeymap } from "@codemirror/commands";
import { yaml } from "@codemirror/lang-yaml";
import { HighlightStyle, StreamLanguage, syntaxHighlighting } from "@codemirror/language";
import { dockerFile } from "@codemirror/legacy-modes/mode/dockerfile";
import { lintGutter, setDiagnostics } from "@codemirror/lint";
import { EditorState } from "@codemirror/state";
import { EditorView, keymap, lineNumbers } from "@codemirror/view";
import { tags } from "@lezer/highlight";
import { load } from "image-factory";
import { examples } from "./examples.js";
import { draw } from "./graph.js";

// Colours that can be read on both backgrounds.
const colours = HighlightStyle.define([
  { tag: [tags.keyword, tags.propertyName, tags.definition(tags.propertyName)], color: "var(--accent)" },
  { tag: [tags.string, tags.literal], color: "var(--warn)" },
  { tag: tags.comment, opacity: 0.75, fontStyle: "italic" },
]);

const NOW = "2026-01-05T10:00:00Z";
const DOCKERFILE = "Dockerfile";
const at = (id) => document.getElementById(id);

const packed = Uint8Array.from(atob(MODULE), (character) => character.charCodeAt(0));
const unpacked = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
const factory = await load(await new Response(unpacked).arrayBuffer());

let files = {};
let open = DOCKERFILE;
let found = [];

const view = new EditorView({ parent: at("editor") });

function show(name) {
  open = name;
  const extensions = [
    lineNumbers(),
    history(),
    // Tab leaves the editor, as it does everywhere on a page.
    keymap.of([...defaultKeymap, ...historyKeymap]),
    syntaxHighlighting(colours),
    lintGutter(),
    EditorView.lineWrapping,
    EditorView.contentAttributes.of({ "aria-label": name, spellcheck: "false" }),
    name.endsWith(".yaml") ? yaml() : StreamLanguage.define(dockerFile),
    EditorView.updateListener.of((update) => {
      if (!update.docChanged) return;
      files[name] = update.state.doc.toString();
      // The editor takes no marks while it is being changed.
      queueMicrotask(answer);
    }),
  ];
  view.setState(EditorState.create({ doc: files[name], extensions }));
  at("files").replaceChildren(...Object.keys(files).sort().map(tab));
  mark();
}

function tab(name) {
  const button = document.createElement("button");
  button.type = "button";
  button.role = "tab";
  button.textContent = name;
  button.ariaSelected = String(name === open);
  button.tabIndex = name === open ? 0 : -1;
  button.onclick = () => show(name);
  button.onkeydown = ({ key }) => {
    const names = Object.keys(files).sort();
    const step = { ArrowRight: 1, ArrowLeft: -1 }[key];
    if (!step) return;
    show(names[(names.indexOf(name) + step + names.length) % names.length]);
    at("files").querySelector("[aria-selected=true]").focus();
  };
  return button;
}

function mark() {
  const here = found.filter(({ file, line }) => file === open && line >= 1 && line <= view.state.doc.lines);
  const marks = here.map(({ line, column, length, severity, message, code }) => {
    const { from, to } = view.state.doc.line(line);
    const start = Math.min(from + column - 1, to);
    return { from: start, to: Math.min(start + length, to), severity, message: `${message} (${code})` };
  });
  view.dispatch(setDiagnostics(view.state, marks));
}

function buildArguments() {
  const pairs = at("arguments").value.split("\n").filter((line) => line.includes("="));
  return Object.fromEntries(pairs.map((line) => [line.slice(0, line.indexOf("=")).trim(), line.slice(line.indexOf("=") + 1)]));
}

function answer() {
  const target = at("target").value.trim();
  const bases = factory.bases(files[DOCKERFILE] ?? "", {
    buildArgs: buildArguments(),
    ...(target && { target }),
  });
  const tree = Object.fromEntries(Object.entries(files).filter(([name]) => name !== DOCKERFILE));
  const rendered = factory.ask({ verb: "generate", tree, args: { allowEmpty: true } });
  found = [...bases.diagnostics, ...(rendered.diagnostics ?? [])];
  showBases(bases);
  showDiagnostics();
  const edges = bases.images.flatMap(({ reference, roles }) => [[reference, DOCKERFILE, roles.join(", ")]]);
  edges.push(...recorded(tree));
  at("graph").replaceChildren(edges.length ? draw(edges) : "nothing yet");
  at("manifests").textContent = (rendered.manifests ?? []).map((it) => JSON.stringify(it, null, 2)).join("\n");
  mark();
}

/** The edges that state holds, as `status` tells them. */
function recorded(tree) {
  const { images = [] } = factory.ask({ verb: "status", tree, now: NOW }).output ?? {};
  return images.flatMap(({ name, bases = [] }) => bases.map((base) => [base.name, name, (base.roles ?? []).join(", ")]));
}

function showBases({ images }) {
  at("bases").replaceChildren(
    ...images.map(({ reference, roles, used, where }) => {
      const row = document.createElement("tr");
      const lines = where.map(({ line }) => line).join(", ");
      for (const text of [reference, used ? roles.join(", ") : `${roles.join(", ")} (unused)`, lines]) {
        row.insertCell().textContent = text;
      }
      return row;
    }),
  );
}

function showDiagnostics() {
  at("diagnostics").replaceChildren(
    ...found.map(({ file, line, column, severity, message, hint, code }) => {
      const item = document.createElement("li");
      const button = document.createElement("button");
      button.type = "button";
      button.className = severity;
      const place = file ? `${file}:${line}:${column} ` : "";
      button.textContent = `${severity}: ${place}${message} (${code})${hint ? `. Hint: ${hint}` : ""}`;
      button.onclick = () => {
        if (files[file] === undefined) return;
        show(file);
        const anchor = Math.min(view.state.doc.line(Math.max(line, 1)).from + column - 1, view.state.doc.length);
        view.dispatch({ selection: { anchor }, scrollIntoView: true });
        view.focus();
      };
      item.append(button);
      return item;
    }),
  );
  if (!found.length) at("diagnostics").textContent = "none";
}

function take(input) {
  files = { ...input.files };
  files[DOCKERFILE] ??= "";
  at("arguments").value = input.arguments ?? "";
  at("target").value = input.target ?? "";
  open = DOCKERFILE;
  answer();
  show(DOCKERFILE);
}

function fragment() {
  const text = JSON.stringify({ files, arguments: at("arguments").value, target: at("target").value });
  const characters = Array.from(new TextEncoder().encode(text), (byte) => String.fromCharCode(byte));
  return `#${btoa(characters.join(""))}`;
}

function fromFragment() {
  try {
    const bytes = Uint8Array.from(atob(location.hash.slice(1)), (character) => character.charCodeAt(0));
    const input = JSON.parse(new TextDecoder().decode(bytes));
    return typeof input.files === "object" ? input : undefined;
  } catch {
    return undefined;
  }
}

async function add(list) {
  for (const file of list) {
    const name = file.name.toLowerCase().includes("dockerfile") ? DOCKERFILE : file.name;
    const isState = name.endsWith(".yaml") && !["images.yaml", "factory.yaml"].includes(name);
    files[isState ? `state/images/${name}` : name] = await file.text();
  }
  answer();
  show(open);
}

at("example").append(...Object.keys(examples).map((name) => new Option(name)));
at("example").onchange = () => take(examples[at("example").value]);
at("arguments").oninput = answer;
at("target").oninput = answer;
at("drop").onchange = () => add(at("drop").files);
document.ondragover = (event) => event.preventDefault();
document.ondrop = (event) => {
  event.preventDefault();
  add(event.dataTransfer.files);
};
at("link").onclick = async () => {
  window.history.replaceState(null, "", fragment());
  try {
    await navigator.clipboard.writeText(location.href);
    at("told").textContent = "copied";
  } catch {
    at("told").textContent = "the link is in the address bar";
  }
};

take(fromFragment() ?? Object.values(examples)[0]);
document.documentElement.dataset.ready = "true";
