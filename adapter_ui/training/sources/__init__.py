"""Where rows come from besides text: formats that native code reads, and several files read as one."""
