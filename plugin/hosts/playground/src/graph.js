// The picture: what is built on something stands to its right.
import dagre from "@dagrejs/dagre";

const SVG = "http://www.w3.org/2000/svg";

function element(name, attributes, text) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text) made.textContent = text;
  return made;
}

function say([from, to, role]) {
  return role === "publishes" ? `${from} publishes ${to}` : `${to} needs ${from} (${role})`;
}

/** Draws edges [from, to, role]; says the same as a list to who cannot see it. */
export function draw(edges) {
  const graph = new dagre.graphlib.Graph();
  graph.setGraph({ rankdir: "LR", nodesep: 14, ranksep: 60, marginx: 8, marginy: 8 });
  for (const name of new Set(edges.flatMap(([from, to]) => [from, to]))) {
    graph.setNode(name, { width: name.length * 7.4 + 20, height: 30 });
  }
  for (const edge of edges) graph.setEdge(edge[0], edge[1], { said: say(edge) });
  dagre.layout(graph);
  const { width, height } = graph.graph();
  const svg = element("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img" });
  svg.setAttribute("aria-label", edges.map(say).join("; "));
  const arrow = element("marker", { id: "arrow", viewBox: "0 0 8 8", refX: 8, refY: 4, markerWidth: 8, markerHeight: 8, orient: "auto" });
  arrow.append(element("path", { d: "M0 0L8 4L0 8z", class: "arrow" }));
  svg.append(arrow);
  for (const edge of graph.edges()) {
    const { points, said } = graph.edge(edge);
    const line = points.map(({ x, y }, at) => `${at ? "L" : "M"}${x} ${y}`).join("");
    const path = element("path", { d: line, "marker-end": "url(#arrow)" });
    path.append(element("title", {}, said));
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
