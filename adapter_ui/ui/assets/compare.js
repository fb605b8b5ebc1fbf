/* Side by side in the browser: the tray of adapters to compare, kept in the address, and the view over the results.
   The server draws the comparison; names are put into the tray as text. */
Object.assign(window.adapterUI, (() => {
  const MOST = 4;
  const VIEW = "side-by-side";
  const REF = /^[\w.:@+=\/-]{1,1000}$/;
  const HOW_MORE = "Add another one: “Compare” beside its name, or C on its row.";
  const asked = new URL(location.href).searchParams;
  let chosen = [...new Set((asked.get("compare") ?? "").split(","))].filter((ref) => REF.test(ref)).slice(0, MOST);
  let open = asked.get("view") === VIEW && chosen.length > 1;
  let focusBack = false;
  let panel = null;  // { element, compare, pick } once the tray is on the page

  const make = (tag, { dataset = {}, ...properties }, ...children) => {
    const element = Object.assign(document.createElement(tag), properties);
    Object.assign(element.dataset, dataset);
    element.append(...children);
    return element;
  };
  const button = (label, action, text = "", more = {}) =>
    make("button", { type: "button", className: "copy", textContent: label, dataset: { action, text }, ...more });
  const draw = (message = "") => {
    document.documentElement.classList.toggle("comparing", open);
    const tray = panel?.element.querySelector(".side-tray");
    if (!tray) return;
    tray.hidden = chosen.length === 0;
    const chips = chosen.map((ref) => make("span", { className: "chip side-chip", title: ref },
      make("span", { textContent: ref }),
      button("×", "side-remove", ref, { className: "side-cross", ariaLabel: `Remove ${ref} from the comparison` })));
    const show = button("Show side by side", "side-show", "", { className: "copy side-show", disabled: chosen.length < 2 });
    tray.querySelector(".side-chosen").replaceChildren(
      make("b", { textContent: "Compare" }), ...chips, show, button("Clear", "side-clear"));
    tray.querySelector(".side-said").textContent = message || (chosen.length < 2 ? HOW_MORE : "");
  };
  const change = (refs, message) => {
    chosen = refs;
    open = open && refs.length > 1;
    window.adapterUI.remember(["compare", "view"], [refs.join(","), open ? VIEW : ""]);
    draw(message);
  };

  const add = (ref) => {
    if (!REF.test(ref)) return;
    if (chosen.includes(ref)) draw(`${ref} is in the comparison already.`);
    else if (chosen.length === MOST) draw("Four adapters at most; remove one to add another.");
    else change([...chosen, ref]);
  };
  const remove = (ref) => {
    const was = open;
    change(chosen.filter((one) => one !== ref));
    if (open) panel?.compare(chosen);
    else if (was) document.querySelector("#results tr[tabindex='0']")?.focus();
  };
  const show = () => {
    if (chosen.length < 2) return;
    open = focusBack = true;
    change(chosen);
    panel?.compare(chosen);
  };
  const close = () => {
    open = false;
    change(chosen);
    panel?.element.querySelector(".side-show")?.focus();
  };
  const select = (ref) => {
    panel?.pick(ref);
    close();
  };
  const ACTIONS = {
    "side-by-side": add, "side-remove": remove, "side-show": show, "side-close": close,
    "side-select": select, "side-clear": () => change([]),
  };
  document.addEventListener("click", (event) => {
    const pressed = event.target.closest?.("[data-action]");
    ACTIONS[pressed?.dataset.action]?.(pressed.dataset.text);
    if (open && event.target.closest?.("[data-act=browse]")) close();  // an adapter is to be shown in the list
  });
  document.addEventListener("keydown", (event) => {
    const plain = !event.ctrlKey && !event.metaKey && !event.altKey;
    const row = event.target.closest?.("#results tr[data-ref]");
    if (row && plain && event.key.toLowerCase() === "c") {
      if (chosen.includes(row.dataset.ref)) remove(row.dataset.ref); else add(row.dataset.ref);
    }
    const away = event.key === "Escape" || (event.key === "/" && plain && !event.target.closest?.("input, textarea"));
    if (open && away && document.querySelector("#compare-panel")?.offsetParent) close();
  });

  /* ---- what the panel's two pieces call when they are on the page */
  const tray = (element, compare, pick) => {
    panel = { element, compare, pick };
    draw();
  };
  const comparison = (element, watch) => watch("value", () => {
    if (focusBack) element.querySelector(".side-back")?.focus();
    focusBack = false;
  });
  return { tray, comparison };
})());
