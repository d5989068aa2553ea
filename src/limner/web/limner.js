// Limner's extension of the ComfyUI editor.
//
// The editor opens with a graph that names a model of several gigabytes. Here it opens with one that works on the model
// that is built in: the content of the editor's own default graph is replaced before anything has loaded it.

import { app } from "../../scripts/app.js";

async function useOurDefaultGraph() {
  const stock = window.comfyAPI?.defaultGraph?.defaultGraph;
  if (!stock) {
    console.warn("[Limner] This editor has no default graph that could be replaced.");
    return;
  }
  const answer = await fetch(new URL("default.json", import.meta.url), { cache: "no-cache" });
  if (!answer.ok) {
    console.warn(`[Limner] The default workflow could not be read: ${answer.status}`);
    return;
  }
  const ours = await answer.json();
  for (const key of Object.keys(stock)) delete stock[key];
  Object.assign(stock, ours);
}

await useOurDefaultGraph();

app.registerExtension({ name: "Limner.DefaultWorkflow" });
