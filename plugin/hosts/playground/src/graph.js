// The picture: base images on the left, what is built on them on the right.
import dagre from "@dagrejs/dagre";

const SVG = "http://www.w3.org/2000/svg";

function element(name, attributes, text) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text) made.textContent = text;
  return made;
}

/** Draws edges [from, to, role]; says the same as a list to who cannot see it. */
export function draw(edges) {
  const graph = new dagre.graphlib.Graph();
  graph.setGraph({ rankdir: "LR", nodesep: 14, ranksep: 70, marginx: 8, marginy: 8 });
  for (const name of new Set(edges.flatMap(([from, to]) => [from, to]))) {
    graph.setNode(name, { width: name.length * 7.4 + 20, height: 30 });
  }
  for (const [from, to, role] of edges) graph.setEdge(from, to, { role });
  dagre.layout(graph);
  const { width, height } = graph.graph();
  const svg = element("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img" });
  const said = edges.map(([from, to, role]) => `${to} needs ${from} (${role})`).join("; ");
  svg.setAttribute("aria-label", said);
  for (const edge of graph.edges()) {
    const { points, role } = graph.edge(edge);
    const line = points.map(({ x, y }, at) => `${at ? "L" : "M"}${x} ${y}`).join("");
    const path = element("path", { d: line });
    path.append(element("title", {}, role));
    svg.append(path);
  }
  for (const name of graph.nodes()) {
    const { x, y, width, height } = graph.node(name);
    svg.append(
      element("rect", { x: x - width / 2, y: y - height / 2, width, height, rx: 5 }),
      element("text", { x, y: y + 4, "text-anchor": "middle" }, name),
    );
  }
  return svg;
}
