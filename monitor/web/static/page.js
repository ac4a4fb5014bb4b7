// Keeps the page live: puts the parts that the server renders in their places, and counts down between.
"use strict";

const place = (id) => document.getElementById(id);
const language = document.documentElement.lang.startsWith("zh") ? "zh" : "en";
const units = language === "zh" ? ["天", "小时", "分", "秒"] : ["d", "h", "min", "s"];
const STALE_MS = 10000;

// The server's clock when it last spoke, and ours at that moment: what passed since is added to it.
let serverMs = Number(place("clock").dataset.clock);
let heardAt = performance.now();
const now = () => serverMs + (performance.now() - heardAt);

// The shops' time, wherever the browser is.
const clock = new Intl.DateTimeFormat("en-GB", { timeZone: place("clock").dataset.zone, timeStyle: "medium" });

function duration(ms) {
  const s = Math.max(0, Math.floor(ms / 1000));
  const two = (n) => String(n).padStart(2, "0");
  if (s < 60) return `${s} ${units[3]}`;
  if (s < 3600) return `${Math.floor(s / 60)} ${units[2]} ${two(s % 60)} ${units[3]}`;
  if (s < 86400) return `${Math.floor(s / 3600)} ${units[1]} ${two(Math.floor((s % 3600) / 60))} ${units[2]}`;
  return `${Math.floor(s / 86400)} ${units[0]} ${Math.floor((s % 86400) / 3600)} ${units[1]}`;
}

function tick() {
  const at = now();
  const stale = performance.now() - heardAt > STALE_MS;
  place("stale").hidden = !stale;
  document.body.classList.toggle("stale", stale);
  place("clock").textContent = clock.format(at);
  for (const row of document.querySelectorAll("[data-deadline]")) {
    const left = Number(row.dataset.deadline) - at;
    const shown = row.querySelector(".countdown");
    // At the limit is in time: late begins after it.
    shown.textContent = left < 0 ? `${shown.dataset.late} ${duration(-left)}` : duration(left);
    row.classList.toggle("late", left < 0);
    row.classList.toggle("soon", left >= 0 && left <= 30000);
    row.classList.toggle("near", left > 30000 && left <= 80000);
  }
  for (const since of document.querySelectorAll("[data-since]")) {
    since.textContent = duration(at - Number(since.dataset.since));
  }
}

function count() {
  for (const shown of document.querySelectorAll("[data-rows]")) {
    const list = place(shown.dataset.rows);
    const unlisted = list.querySelector("[data-more]")?.dataset.more || 0;
    shown.textContent = list.querySelectorAll(".row").length + Number(unlisted);
  }
}

function listen() {
  const source = new EventSource(`/live?lang=${language}`);
  source.addEventListener("clock", (event) => {
    serverMs = Number(event.data);
    heardAt = performance.now();
    tick(); // it comes after the parts of its moment, whose times are told by it
  });
  for (const part of ["status", "waiting", "shops", "sums", "alerts"]) {
    source.addEventListener(part, (event) => {
      place(part).innerHTML = event.data; // rendered and escaped by our own server
      count();
    });
  }
  // A browser gives up after an error answer (signed out, daemon restarted): ask again.
  source.addEventListener("error", () => {
    if (source.readyState === EventSource.CLOSED) setTimeout(listen, 3000);
  });
}

const themes = ["", "light", "dark"];
function setTheme(theme) {
  if (theme) document.documentElement.dataset.theme = theme;
  else delete document.documentElement.dataset.theme;
}
setTheme(localStorage.getItem("slawatch-theme") || "");
place("theme").addEventListener("click", () => {
  const next = themes[(themes.indexOf(document.documentElement.dataset.theme || "") + 1) % themes.length];
  localStorage.setItem("slawatch-theme", next);
  setTheme(next);
});

count();
tick();
setInterval(tick, 250);
listen();
