/* What the page does in the browser by itself: the theme, the address, the keyboard, copying.
   Nothing here knows what the server does; names and texts from there are only ever read, never made into markup. */
window.adapterUI = (() => {
  const THEME = "adapter-ui-theme";
  const LAST = ["adapter", "on", "class", "precision", "tab"];  // the search comes first in an address

  /* ---- theme: the visitor's choice, else the system's; kept over reloads */
  const chosenTheme = () => { try { return localStorage.getItem(THEME); } catch { return null; } };
  const applyTheme = () => {
    const theme = chosenTheme();
    if (theme && document.body && document.body.classList.contains("dark") !== (theme === "dark"))
      document.body.classList.toggle("dark", theme === "dark");
  };
  const toggleTheme = () => {
    const theme = document.body.classList.contains("dark") ? "light" : "dark";
    try { localStorage.setItem(THEME, theme); } catch { /* private window: the choice lasts as long as the page */ }
    document.body.classList.toggle("dark", theme === "dark");
  };

  /* ---- address: everything selectable, so that a reload or a shared link shows the same */
  let restored = false;  // tabs and filters report their first values while the page is still being restored from the address
  const ready = () => { restored = true; return []; };
  const remember = (names, values) => {
    if (!restored) return [];
    const address = new URL(location.href);
    names.forEach((name, at) => {
      const value = values[at] === true ? "1" : String(values[at] || "").trim();
      const usual = value === "" || (name === "sort" && value === "trending") || (name === "tab" && value === "browse");
      if (usual) address.searchParams.delete(name); else address.searchParams.set(name, value);
    });
    const order = [...address.searchParams].sort(([one], [other]) => LAST.indexOf(one) - LAST.indexOf(other));
    address.search = new URLSearchParams(order);
    history.replaceState(history.state, "", address);
    return [];
  };

  /* ---- forms: their fields' values, kept once those of before are back */
  const keeping = new Set();
  const keepFromNow = (form) => { keeping.add(form); return []; };
  const keep = (form, kept, names, values, longest) => {
    if (!keeping.has(form)) return [kept];
    const fitting = values.map((value) => (typeof value === "string" && value.length > longest ? "" : value));
    return [Object.fromEntries(names.map((name, at) => [name, fitting[at]]))];
  };

  /* ---- results: one selected row, by mouse or arrows */
  let selectedRef = new URL(location.href).searchParams.get("adapter") ?? "";
  let pickLater = 0;
  const markSelected = (element) => {
    const rows = [...element.querySelectorAll("tr[data-ref]")];
    const selected = rows.find((row) => row.dataset.ref === selectedRef);
    rows.forEach((row) => row.setAttribute("aria-selected", String(row === selected)));
    const reachable = selected ?? rows[0];
    rows.forEach((row) => row.setAttribute("tabindex", row === reachable ? "0" : "-1"));
  };
  const reveal = () => {  // on a narrow screen the panel is below the rows, where nobody would look for it
    const panel = document.querySelector("#detail");
    if (!panel || panel.getBoundingClientRect().top < innerHeight / 2) return;
    const show = () => panel.scrollIntoView({ block: "start" });
    const watcher = new ResizeObserver(show);  // the page is long enough only once the panel is filled
    const end = () => watcher.disconnect();
    watcher.observe(panel);
    setTimeout(end, 5000);
    ["wheel", "touchmove", "keydown", "pointerdown"].forEach((kind) => addEventListener(kind, end, { once: true, passive: true }));
  };
  const results = (element, pick, watch) => {
    const choose = (row, wait) => {
      const ref = selectedRef = row.dataset.ref;
      markSelected(element);
      clearTimeout(pickLater);
      pickLater = setTimeout(() => pick(ref), wait);
    };
    element.addEventListener("click", (event) => {
      const row = event.target.closest("tr[data-ref]");
      if (row) { row.focus(); choose(row, 0); reveal(); }
    });
    element.addEventListener("keydown", (event) => {
      const row = event.target.closest("tr[data-ref]");
      const rows = [...element.querySelectorAll("tr[data-ref]")];
      const at = rows.indexOf(row);
      const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: rows.length - 1 }[event.key];
      if (row && (event.key === "Enter" || event.key === " ")) { event.preventDefault(); choose(row, 0); }
      if (to === undefined || !rows[to]) return;
      event.preventDefault();
      rows[to].focus();
      rows[to].scrollIntoView({ block: "nearest" });
      choose(rows[to], 250);
    });
    watch("value", () => markSelected(element));
    markSelected(element);
  };

  /* ---- precisions: native radio buttons; redrawing sets attributes only, so their state is set here */
  const precisions = (element, pick, watch) => {
    element.addEventListener("change", ({ target }) => {
      if (target.name !== "precision") return;
      pick(target.value);
      remember(["precision"], [target.value]);
    });
    watch("value", () => element.querySelectorAll("input[type=radio]").forEach((input) => {
      input.checked = input.hasAttribute("checked");
    }));
  };

  /* ---- bar: what is selected goes into the address, with the base and the class that were chosen for it */
  const bar = (element, watch) => {
    const follow = () => {
      const said = element.querySelector("[data-ref]")?.dataset ?? {};
      const { ref = "", on: base = "", class: chosen = "" } = said;
      const address = new URL(location.href).searchParams;
      const names = ["adapter", "on", "class"], values = [ref, base, chosen];
      if (!ref || names.every((name, at) => values[at] === (address.get(name) ?? ""))) return;
      remember(names, values);
      const table = document.querySelector("#results");
      if (!table || table.contains(document.activeElement)) return;  // the reader may be a row further than the answer
      selectedRef = ref;
      markSelected(table);
    };
    watch("value", follow);
  };

  /* ---- library: the buttons of a row; deleting is asked twice, in the button itself */
  const REALLY = "Really delete?";
  const actions = (element, act) => element.addEventListener("click", (event) => {
    const button = event.target.closest("[data-act]");
    if (!button) return;
    if (button.dataset.act === "delete" && button.textContent !== REALLY) {
      const label = button.textContent;
      button.textContent = REALLY;
      // redrawing may have made another button of it
      setTimeout(() => { if (button.textContent === REALLY) button.textContent = label; }, 3000);
    } else act(button.dataset.act, button.dataset.value);
  });

  /* ---- runs: a list of buttons */
  const runs = (element, pick) => element.addEventListener("click", (event) => {
    const row = event.target.closest("[data-run]");
    if (row) pick(row.dataset.run);
  });

  /* ---- samples: the newest step is shown, unless an earlier one was chosen; redrawing sets attributes only */
  const samples = (element, watch) => {
    let chosen = "";
    element.addEventListener("change", ({ target }) => {
      if (target.name === "sample-step") chosen = target.hasAttribute("checked") ? "" : target.id;
    });
    watch("value", () => element.querySelectorAll("input[name=sample-step]").forEach((input, at, all) => {
      const stays = [...all].some((one) => one.id === chosen);
      input.checked = stays ? input.id === chosen : input.hasAttribute("checked");
    }));
  };

  /* ---- everywhere: copying, and keys */
  const write = (text) => {
    if (navigator.clipboard) return navigator.clipboard.writeText(text);
    const field = document.createElement("textarea");  // plain http, as over a LAN, has no clipboard
    const before = document.activeElement;
    field.value = text;
    field.style.cssText = "position: fixed; opacity: 0";
    document.body.append(field);
    field.select();
    document.execCommand("copy");
    field.remove();
    before?.focus();
  };
  const copy = async (button) => {
    const link = new URL(location.href);
    if (button.dataset.copy === "link") {
      const own = link.searchParams.get("adapter") === button.dataset.text;
      const chosen = [...link.searchParams].filter(([name, value]) => own && value && ["on", "class"].includes(name));
      link.search = new URLSearchParams([["adapter", button.dataset.text], ...chosen]);
    }
    await write(button.dataset.copy === "link" ? link.href : button.dataset.text);
    button.classList.add("copied");
    setTimeout(() => button.classList.remove("copied"), 1200);
  };
  const UNSEEN = "\u2063";  // it keeps the markup of an answer from being drawn (as_written.py)
  if (navigator.clipboard) {
    const write = navigator.clipboard.writeText.bind(navigator.clipboard);
    navigator.clipboard.writeText = (text) => write(text.replaceAll(UNSEEN, ""));
  }
  document.addEventListener("copy", (event) => {
    const { value, selectionStart: first, selectionEnd: last } = event.target;
    const text = typeof first === "number" ? value.slice(first, last) : String(getSelection());
    if (!text.includes(UNSEEN)) return;
    event.preventDefault();
    event.clipboardData.setData("text/plain", text.replaceAll(UNSEEN, ""));
  });
  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("[data-action=dark], [data-copy]");
    if (button?.dataset.action === "dark") toggleTheme();
    else if (button) copy(button);
  });
  document.addEventListener("paste", (event) => {
    const field = event.target.closest?.("#data-text textarea");
    if (field) setTimeout(() => field.blur(), 50);  // pasted rows are read when the field is left
  });
  const visible = (selector) => {
    const element = document.querySelector(selector);
    return element && element.offsetParent !== null ? element : null;
  };
  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest?.("input, textarea, select, [contenteditable=true]");
    if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      if (!visible("#search")) document.querySelector("#tabs button[role=tab]")?.click();
      setTimeout(() => visible("#search textarea, #search input")?.focus(), 30);
    }
    if (event.key === "ArrowDown" && event.target.closest?.("#search")) {
      event.preventDefault();
      document.querySelector("#results tr[data-ref][tabindex='0']")?.focus();
    }
    if (event.key === "Escape") visible("#stop")?.click();
  });
  document.addEventListener("keydown", (event) => {  // before Gradio's own: what was typed waits for the answer's end
    const sends = event.key === "Enter" && !event.shiftKey && event.target.closest?.("#question");
    if (!sends || !visible("#stop")) return;
    event.preventDefault();
    event.stopImmediatePropagation();
  }, { capture: true });
  const start = () => {
    applyTheme();
    new MutationObserver(applyTheme).observe(document.body, { attributes: true, attributeFilter: ["class"] });
  };
  if (document.body) start(); else document.addEventListener("DOMContentLoaded", start);
  return { ready, remember, keep, keepFromNow, results, precisions, bar, actions, runs, samples };
})();
