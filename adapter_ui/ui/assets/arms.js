/* The arms of a conversation in the browser: strengths as they are typed, and the menu that adds an arm.
   The server decides which arms there are and draws them; here is only what a person does to them. */
Object.assign(window.adapterUI, (() => {
  const WAIT = 150;  // milliseconds after a key before a strength is sent
  const button = () => document.querySelector("#arm-bar [data-open-menu]");
  const picked = () => (new URL(location.href).searchParams.get("compare") ?? "").split(",").filter(Boolean);

  /* ---- over a column: its strength, and the cross that removes it */
  const armHead = (element, act, watch) => {
    let later = 0;
    let sent = null;
    const drawn = (input) => input.getAttribute("value");
    const isStrength = (input) => input.value.trim() !== "" && input.validity.badInput === false
      && Number(input.value) >= 0 && Number(input.value) <= Number(input.max);
    const send = (input) => {
      clearTimeout(later);
      const wanted = `${input.dataset.key} ${Number(input.value)}`;
      if (!isStrength(input) || wanted === sent) return;
      sent = wanted;
      act({ name: "strength", value: input.dataset.key, strength: Number(input.value) });
    };
    element.addEventListener("input", (event) => {
      clearTimeout(later);
      later = setTimeout(() => send(event.target), WAIT);
    });
    element.addEventListener("change", (event) => {
      if (isStrength(event.target)) send(event.target); else event.target.value = drawn(event.target);
    });
    element.addEventListener("click", (event) => {
      const cross = event.target.closest("[data-act=remove]");
      if (cross) act({ name: "remove", value: cross.dataset.value });
    });
    watch("value", () => {  // another arm may stand here now, or the same one as the browser kept it
      const input = element.querySelector("input");
      sent = input ? `${input.dataset.key} ${Number(drawn(input))}` : null;
      if (input && input !== document.activeElement) input.value = drawn(input);
    });
  };

  /* ---- the menu: open under its button until something is chosen or the focus is elsewhere */
  const open = (isOpen) => {
    document.querySelector("#arm-menu")?.toggleAttribute("data-open", isOpen);
    button()?.setAttribute("aria-expanded", String(isOpen));
  };
  const isOpen = () => document.querySelector("#arm-menu")?.hasAttribute("data-open") ?? false;
  const armBar = (element, suggest, watch) => {
    element.addEventListener("click", (event) => {
      if (!event.target.closest("[data-open-menu]")) return;
      open(!isOpen());
      if (!isOpen()) return;
      suggest(picked());
      document.querySelector("#arm-menu .arm-ref")?.focus();
    });
    watch("value", () => window.adapterUI.remember(["arms"], [element.querySelector("[data-link]")?.dataset.link]));
  };
  const armMenu = (element, act) => {
    const add = (ref) => {
      open(false);
      act({ name: "add", value: ref });
      document.querySelector("#question textarea")?.focus();
    };
    const addTyped = () => {
      const field = element.querySelector(".arm-ref");
      const ref = field.value.trim();
      field.value = "";
      if (ref) add(ref); else field.focus();
    };
    element.addEventListener("click", (event) => {
      const pressed = event.target.closest("[data-act]");
      if (pressed?.dataset.act === "add") add(pressed.dataset.value);
      else if (pressed) addTyped();
    });
    element.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && event.target.matches(".arm-ref")) {
        event.preventDefault();  // else it would also send the question, where the focus goes
        addTyped();
      }
      if (event.key !== "Escape") return;
      event.stopPropagation();  // else it would stop the answers too
      open(false);
      button()?.focus();
    });
  };
  document.addEventListener("pointerdown", (event) => {
    if (isOpen() && !event.target.closest?.("#arm-menu, #arm-bar")) open(false);
  });
  return { armHead, armBar, armMenu };
})());
