// Where input comes from: files and folders that are dropped or opened, and the address's fragment.
import { DOCKERFILE } from "./factory.js";

/** A dropped file's place in the page: a Dockerfile, a file of the factory, or state by what it holds. */
export function place(path, text) {
  const inFactory = path.match(/(?:^|\/)(state\/.*|images\.yaml|factory\.yaml)$/);
  if (inFactory) return inFactory[1];
  const name = path.slice(path.lastIndexOf("/") + 1);
  if (!/\.ya?ml$/.test(name)) return /docker|container/i.test(name) ? DOCKERFILE : undefined;
  return `state/${/^fullImage:/m.test(text) ? "base-images" : "images"}/${name}`;
}

/** The files of a drop, folders with all that is in them: [path, text]. */
export async function dropped({ items, files }) {
  const entries = Array.from(items, (item) => item.webkitGetAsEntry?.()).filter(Boolean);
  return entries.length ? (await Promise.all(entries.map(read))).flat() : opened(files);
}

export function opened(files) {
  return Promise.all(Array.from(files, async (file) => [file.name, await file.text()]));
}

async function read(entry) {
  const call = (method, of) => new Promise((done, failed) => of[method](done, failed));
  if (entry.isFile) return [[entry.fullPath, await (await call("file", entry)).text()]];
  const reader = entry.createReader();
  const all = [];
  // A reader gives a part of its folder at a time, and nothing at its end.
  for (let part; (part = await call("readEntries", reader)).length; ) all.push(...part);
  return (await Promise.all(all.map(read))).flat();
}

/** The input as a fragment: JSON in UTF-8, in base64. */
export function toFragment(input) {
  const bytes = Array.from(new TextEncoder().encode(JSON.stringify(input)), (byte) => String.fromCharCode(byte));
  return `#${btoa(bytes.join(""))}`;
}

/** The input of a fragment; nothing where it is none of ours. */
export function fromFragment(hash) {
  try {
    const bytes = Uint8Array.from(atob(hash.slice(1)), (character) => character.charCodeAt(0));
    const input = JSON.parse(new TextDecoder().decode(bytes));
    const isOurs = Object.values(input.files).every((text) => typeof text === "string");
    return isOurs ? input : undefined;
  } catch {
    return undefined;
  }
}
