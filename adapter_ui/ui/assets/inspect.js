/* The inspector in the browser: the room to fit in, what is unfolded, and the places an adapter is read from.
   What was chosen is told to the server; names are only ever read from the page's own attributes. */
Object.assign(window.adapterUI, (() => {
  /* context and answers at once: two native fields that are never redrawn */
  const room = (element, pick) => element.addEventListener("change", () => {
    const value = (name) => Number(element.querySelector(`select[name=${name}]`).value);
    pick({ context: value("context"), arms: value("arms") });
  });

  /* what was opened by its summary is open again after a redraw, which takes the attribute away */
  const folds = (element, watch) => {
    const opened = new Set();
    element.addEventListener("click", (event) => {
      const fold = event.target.closest("summary")?.parentElement;
      if (fold?.dataset.fold) opened[fold.open ? "delete" : "add"](fold.dataset.fold);  // a click comes before it toggles
    });
    watch("value", () => element.querySelectorAll("details[data-fold]").forEach((fold) => {
      fold.open = opened.has(fold.dataset.fold);
    }));
  };

  /* revisions are asked for once, by a button; a chip asks for its own ref */
  const places = (element, pick, open) => element.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (button?.dataset.choose) pick(button.dataset.choose);
    else if (button && "chooseRevision" in button.dataset) open();
  });

  return { room, folds, places };
})());
