// Before the first paint: the colours that were chosen on this machine, where that was not left to the system.
try {
  const theme = localStorage.getItem("moondev-theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch { /* storage is switched off: the system's colours */ }
