/* Browse in the browser: the filters that unfold, and the base models to choose from while one is typed. */
Object.assign(window.adapterUI, (() => {
  const PATIENCE = 5000;  // milliseconds until an answer is taken for lost
  const WAIT = 120;  // milliseconds after a key before suggestions are asked for

  /* ---- further filters: unfolded they stay so when the line with the button is drawn anew */
  const fold = (element, watch) => {
    const show = (flip) => {
      const button = element.querySelector("[data-fold]");
      const folded = button && document.getElementById(button.dataset.fold);
      if (!folded) return;
      if (flip) folded.toggleAttribute("data-unfolded");
      button.setAttribute("aria-expanded", String(folded.hasAttribute("data-unfolded")));
    };
    element.addEventListener("click", (event) => { if (event.target.closest("[data-fold]")) show(true); });
    watch("value", () => show(false));
  };

  /* ---- base model: a field with a list under it. What is typed counts; a suggestion only once it is chosen */
  const suggestions = (element, ask, watch) => {
    let active = -1;
    let marked = "";  // the active option's value, by which it is found again when the list is drawn anew
    let later = 0;
    let asked = null;  // the text that was asked for last
    let answered = null;  // and the one whose answer is on screen
    let waiting = 0;
    const fieldOf = (event) => event.target.closest?.("#filter-base input");
    const mark = (field, at) => {
      const options = [...element.querySelectorAll("[role=option]")];
      active = options[at] ? at : -1;
      marked = options[at]?.dataset.value ?? "";
      options.forEach((option, place) => option.setAttribute("aria-selected", String(place === active)));
      options[active]?.scrollIntoView({ block: "nearest" });
      field?.setAttribute("aria-activedescendant", options[active]?.id ?? "");
    };
    const askFor = (field) => {  // one at a time, so that no older answer comes after a newer one
      if (waiting || field.value === answered) return;
      waiting = setTimeout(() => { waiting = 0; }, PATIENCE);
      ask(asked = field.value);
    };
    const open = (field, isOpen) => {
      clearTimeout(later);
      element.toggleAttribute("data-open", isOpen);
      field.setAttribute("aria-expanded", String(isOpen));
      mark(field, -1);
      if (isOpen) later = setTimeout(() => askFor(field), WAIT);
    };
    const choose = (field, value) => {
      field.value = value;
      field.dispatchEvent(new Event("input", { bubbles: true }));
      field.blur();
    };
    const step = { ArrowDown: 1, ArrowUp: -1 };
    document.addEventListener("focusin", (event) => {
      const field = fieldOf(event);
      if (!field) return;
      const says = { role: "combobox", autocomplete: "off", "aria-autocomplete": "list", "aria-controls": "base-listbox" };
      Object.entries(says).forEach(([name, value]) => field.setAttribute(name, value));
      open(field, true);
    });
    document.addEventListener("input", (event) => { if (fieldOf(event)) open(fieldOf(event), true); });
    document.addEventListener("focusout", (event) => { if (fieldOf(event)) open(fieldOf(event), false); });
    document.addEventListener("keydown", (event) => {
      const field = fieldOf(event);
      if (!field || event.isComposing) return;
      const options = [...element.querySelectorAll("[role=option]")];
      if (step[event.key] && options.length) {
        event.preventDefault();
        if (!element.hasAttribute("data-open")) open(field, true);
        const from = active < 0 && event.key === "ArrowUp" ? 0 : active;
        mark(field, (from + step[event.key] + options.length) % options.length);
      } else if (event.key === "Enter" && active >= 0) {
        event.preventDefault();
        event.stopPropagation();
        choose(field, options[active].dataset.value);
      } else if (event.key === "Enter" || event.key === "Escape") open(field, false);
    }, true);
    element.addEventListener("mousedown", (event) => {
      const option = event.target.closest("[role=option]");
      event.preventDefault();  // the field keeps the focus, so that leaving it searches
      if (option) choose(document.activeElement, option.dataset.value);
    });
    watch("value", () => {
      const field = document.querySelector("#filter-base input");
      mark(field, [...element.querySelectorAll("[role=option]")].findIndex((option) => option.dataset.value === marked));
      clearTimeout(waiting);
      waiting = 0;
      answered = asked;
      if (field && element.hasAttribute("data-open")) askFor(field);
    });
  };

  return { fold, suggestions };
})());
