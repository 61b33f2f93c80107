/* global MODULE */
import { defaultKeymap, history, historyKeymap } from "@codemirror/commands";
import { yaml } from "@codemirror/lang-yaml";
import { HighlightStyle, StreamLanguage, syntaxHighlighting } from "@codemirror/language";
import { dockerFile } from "@codemirror/legacy-modes/mode/dockerfile";
import { lintGutter, lintKeymap, setDiagnostics } from "@codemirror/lint";
import { EditorState } from "@codemirror/state";
import { EditorView, keymap, lineNumbers } from "@codemirror/view";
import { tags } from "@lezer/highlight";
import { load } from "image-factory";
import { examples } from "./examples.js";
import { answer, DOCKERFILE, managed } from "./factory.js";
import { draw } from "./graph.js";
import { dropped, fromFragment, opened, place, toFragment } from "./input.js";

// Colours that can be read on both backgrounds.
const colours = HighlightStyle.define([
  { tag: [tags.keyword, tags.propertyName, tags.definition(tags.propertyName)], color: "var(--accent)" },
  { tag: [tags.string, tags.literal], color: "var(--warn)" },
  { tag: tags.comment, color: "var(--faint)", fontStyle: "italic" },
]);

const at = (id) => document.getElementById(id);

const packed = Uint8Array.from(atob(MODULE), (character) => character.charCodeAt(0));
const unpacked = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
const factory = await load(await new Response(unpacked).arrayBuffer());

let files = {};
let open = DOCKERFILE;
let found = [];
// The image that was chosen, empty for none; until then, and where it is not enrolled, the first one counts.
let image;
// What the editor knows of each file beside its text: selection and history.
const states = new Map();

const view = new EditorView({ parent: at("editor") });

/** Opens a file in the editor. */
function show(name) {
  if (states.has(open)) states.set(open, view.state);
  open = name;
  if (!states.has(name)) states.set(name, fresh(name));
  view.setState(states.get(name));
  at("files").replaceChildren(...names().map(tab));
  at("editor").setAttribute("aria-labelledby", tabId(name));
  at("remove").disabled = name === DOCKERFILE;
  mark();
}

function fresh(name) {
  const extensions = [
    lineNumbers(),
    history(),
    // Tab leaves the editor, as it does everywhere on a page.
    keymap.of([...defaultKeymap, ...historyKeymap, ...lintKeymap]),
    syntaxHighlighting(colours),
    lintGutter(),
    EditorView.lineWrapping,
    EditorView.contentAttributes.of({ "aria-label": name, spellcheck: "false", tabindex: "0" }),
    name === DOCKERFILE ? StreamLanguage.define(dockerFile) : yaml(),
    EditorView.updateListener.of((update) => {
      if (!update.docChanged) return;
      files[name] = update.state.doc.toString();
      // The editor takes no marks while it is being changed.
      queueMicrotask(refresh);
    }),
  ];
  return EditorState.create({ doc: files[name], extensions });
}

/** The Dockerfile first, then as a folder lists them. */
function names() {
  return [DOCKERFILE, ...Object.keys(files).filter((name) => name !== DOCKERFILE).sort()];
}

function tabId(name) {
  return `tab-${name}`;
}

function tab(name) {
  const button = document.createElement("button");
  button.type = "button";
  button.role = "tab";
  button.id = tabId(name);
  button.textContent = name;
  button.ariaSelected = String(name === open);
  button.setAttribute("aria-controls", "editor");
  button.tabIndex = name === open ? 0 : -1;
  button.onclick = () => {
    show(name);
    at(tabId(name)).focus();
  };
  button.onkeydown = (event) => {
    const all = names();
    const here = all.indexOf(name);
    const to = { ArrowRight: here + 1, ArrowLeft: here - 1, Home: 0, End: all.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    const next = all[(to + all.length) % all.length];
    show(next);
    at(tabId(next)).focus();
  };
  return button;
}

/** Positions are told in characters, and the editor counts UTF-16. */
function position({ line, column, length = 0 }) {
  const { from, text } = view.state.doc.line(Math.min(Math.max(line, 1), view.state.doc.lines));
  const units = (count) => Array.from(text).slice(0, count).join("").length;
  return { from: from + units(column - 1), to: from + units(column - 1 + length) };
}

function mark() {
  const marks = found
    .filter(({ file, line }) => file === open && line >= 1)
    .map((one) => ({ ...position(one), severity: one.severity, message: `${one.message} (${one.code})` }));
  view.dispatch(setDiagnostics(view.state, marks));
}

function buildArguments() {
  const pairs = at("arguments").value.split("\n").filter((line) => line.includes("="));
  return Object.fromEntries(
    pairs.map((line) => [line.slice(0, line.indexOf("=")).trim(), line.slice(line.indexOf("=") + 1)]),
  );
}

function input() {
  return { files, image: at("image").value, arguments: at("arguments").value, target: at("target").value.trim() };
}

/** Asks the module about all input, and shows what it says. */
function refresh() {
  showImages();
  const said = answer(factory, { ...input(), buildArgs: buildArguments() });
  found = said.diagnostics;
  showBases(said.bases);
  showDiagnostics();
  at("graph").replaceChildren(said.edges.length ? draw(said.edges) : "no image depends on another");
  at("messages").textContent = said.messages.join("\n");
  at("manifests").textContent = said.manifests || "none";
  mark();
}

/** The images that the Dockerfile can be of. */
function showImages() {
  const all = managed(files).map(({ name }) => name);
  const options = ["", ...all];
  const select = at("image");
  if (Array.from(select.options, ({ value }) => value).join("\n") !== options.join("\n")) {
    select.replaceChildren(new Option("no image: read it alone", ""), ...all.map((name) => new Option(name)));
  }
  select.value = options.includes(image) ? image : (all[0] ?? "");
}

function showBases(images) {
  at("bases").replaceChildren(
    ...images.map(({ reference, roles, used, where }) => {
      const row = document.createElement("tr");
      row.insertCell().textContent = reference;
      row.insertCell().textContent = used ? roles.join(", ") : `${roles.join(", ")} (unused)`;
      const places = row.insertCell();
      where.forEach((place, number) => {
        const button = document.createElement("button");
        button.type = "button";
        button.className = "place";
        button.textContent = String(place.line);
        button.ariaLabel = `${reference}, line ${place.line}, column ${place.column}`;
        button.onclick = () => go({ file: DOCKERFILE, ...place });
        places.append(number ? " " : "", button);
      });
      return row;
    }),
  );
}

function showDiagnostics() {
  const count = (severity) => found.filter((one) => one.severity === severity).length;
  const told = [
    [count("error"), "error"],
    [count("warning"), "warning"],
  ].filter(([number]) => number);
  const summary = told.map(([number, word]) => `${number} ${word}${number > 1 ? "s" : ""}`).join(", ") || "no errors, no warnings";
  // A screen reader says what changes here, so only what changes is written.
  if (at("summary").textContent !== summary) at("summary").textContent = summary;
  at("diagnostics").replaceChildren(
    ...found.map((one) => {
      const { file, line, column, severity, message, hint, code } = one;
      const item = document.createElement("li");
      const button = document.createElement("button");
      button.type = "button";
      button.className = severity;
      const where = file ? `${file}:${line}:${column} ` : "";
      button.textContent = `${severity}: ${where}${message} (${code})${hint ? `. Hint: ${hint}` : ""}`;
      button.onclick = () => go(one);
      item.append(button);
      return item;
    }),
  );
}

/** Opens a file at a place, and puts the cursor there. */
function go(one) {
  if (files[one.file] === undefined) return;
  show(one.file);
  view.dispatch({ selection: { anchor: position(one).from }, scrollIntoView: true });
  view.focus();
}

function take(given) {
  files = { [DOCKERFILE]: "", ...given.files };
  states.clear();
  at("arguments").value = given.arguments ?? "";
  at("target").value = given.target ?? "";
  image = given.image;
  open = DOCKERFILE;
  show(DOCKERFILE);
  refresh();
}

/** Takes more files in, in place of those of the same path, and opens the last. */
function add(list) {
  let last = open;
  const left = [];
  for (const [path, text] of list) {
    const name = place(path, text);
    if (name === undefined) {
      left.push(path);
      continue;
    }
    files[name] = text;
    states.delete(name);
    last = name;
  }
  at("told").textContent = left.length ? `left out, since it is neither a Dockerfile nor YAML: ${left.join(", ")}` : "";
  show(last);
  refresh();
}

at("example").append(...Object.keys(examples).map((name) => new Option(name)));
at("example").onchange = () => take(examples[at("example").value]);
for (const id of ["arguments", "target"]) at(id).oninput = refresh;
at("image").onchange = () => {
  image = at("image").value;
  refresh();
};
at("open").onchange = async () => {
  add(await opened(at("open").files));
  at("open").value = "";
};
at("new").onsubmit = (event) => {
  event.preventDefault();
  const name = at("path").value.trim();
  if (!name) return;
  files[name] ??= "";
  at("path").value = "";
  show(name);
  refresh();
  view.focus();
};
at("remove").onclick = () => {
  delete files[open];
  states.delete(open);
  show(DOCKERFILE);
  refresh();
};
document.ondragover = (event) => event.preventDefault();
document.ondrop = async (event) => {
  event.preventDefault();
  add(await dropped(event.dataTransfer));
};
at("link").onclick = async () => {
  window.history.replaceState(null, "", toFragment(input()));
  try {
    await navigator.clipboard.writeText(location.href);
    at("told").textContent = "copied";
  } catch {
    at("told").textContent = "the link is in the address bar";
  }
};
const start = () => take(fromFragment(location.hash) ?? Object.values(examples)[0]);
window.onhashchange = start;
start();
document.documentElement.dataset.ready = "true";
