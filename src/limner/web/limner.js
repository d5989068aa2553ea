// Limner's extension of the ComfyUI editor: the default graph, and packs that change while the editor is open.
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

// A server with --reload says so when it has imported a pack anew: the editor takes the new nodes over.
async function tellOfPacks({ detail }) {
  for (const { pack, failed, gone, elsewhere, problems } of detail.packs) {
    const left = elsewhere ? `${pack} has a host of its own: start the server again for it` : `${pack} is gone`;
    const summary = failed ? `${pack} has an error` : gone ? left : `${pack} is loaded anew`;
    const severity = failed ? "error" : problems?.length || elsewhere ? "warn" : "success";
    const life = failed || elsewhere ? undefined : 3000;
    app.extensionManager?.toast?.add({ severity, summary, detail: problems?.join("\n"), life });
  }
  await app.refreshComboInNodes();
}

app.registerExtension({
  name: "Limner.Packs",
  setup() {
    app.api.addEventListener("packs_reloaded", tellOfPacks);
  },
});
