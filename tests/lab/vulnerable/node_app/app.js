// The vulnerable application in Node, without packages: every flaw answers below /flawed and, mended, below /fixed.
"use strict";
const http = require("http");
const path = require("path");
const fs = require("fs");
const { exec, execFile } = require("child_process");

const HEADERS = {
  "Content-Type": "text/html; charset=utf-8",
  "Content-Security-Policy": "default-src 'self'; frame-ancestors 'self'",
  "X-Content-Type-Options": "nosniff",
  "X-Frame-Options": "SAMEORIGIN",
  "Referrer-Policy": "no-referrer",
};
const VIEWS = {};
const NOTES = { true: [], false: [] };

const escape = (text) =>
  String(text).replace(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`);
const page = (answer, content, status = 200) => {
  answer.writeHead(status, HEADERS);
  answer.end(`<!doctype html><html><head><title>Node lab</title></head><body>${content}</body></html>`);
};
const json = (answer, value) => {
  answer.writeHead(200, { ...HEADERS, "Content-Type": "application/json" });
  answer.end(JSON.stringify(value));
};

// Cross-site scripting

VIEWS["xss/text"] = (flawed, asked, answer) =>
  page(answer, `<p>Hello ${flawed ? asked.name : escape(asked.name)}</p>`);

VIEWS["xss/template-string"] = (flawed, asked, answer) => {
  const safe = JSON.stringify(asked.q || "").replace(/</g, "\\u003c");
  const kept = (asked.q || "").replace(/[\\<"']/g, "");
  page(answer, `<script>var greeting = ${flawed ? "`Hello " + kept + "`" : safe};</script>`);
};

VIEWS["xss/json-stored"] = (flawed, asked, answer, request) => {
  if (request.method === "POST") {
    NOTES[flawed].push(String(asked.text).slice(0, 2000));
    NOTES[flawed].splice(0, NOTES[flawed].length - 20);
    return json(answer, { saved: true });
  }
  return page(answer, NOTES[flawed].map((note) => `<li>${flawed ? note : escape(note)}</li>`).join(""));
};

// Code and commands

VIEWS["codeinj/output"] = (flawed, asked, answer) => {
  let result = "?";
  try {
    result = flawed ? eval(asked.sum) : Number(asked.sum);
  } catch {
    result = "?";
  }
  page(answer, `<p>Result ${escape(result)}</p>`);
};

VIEWS["codeinj/function"] = (flawed, asked, answer) => {
  let result = "?";
  try {
    result = flawed ? new Function(`return "${asked.name}".trim();`)() : asked.name.trim();
  } catch (error) {
    return page(answer, `<pre>${escape(error.name)}: ${escape(error.message)}</pre>`, 500);
  }
  return page(answer, `<p>Dear ${escape(result)}</p>`);
};

VIEWS["codeinj/blind"] = (flawed, asked, answer) => {
  try {
    if (flawed) eval(`(${asked.filter})`);
  } catch {
    return json(answer, { rows: [] });
  }
  return json(answer, { rows: [] });
};

VIEWS["ssti/literal"] = (flawed, asked, answer) => {
  let shown = "?";
  const name = String(asked.name).replace(/`/g, "");
  try {
    shown = flawed ? eval("`Dear " + name + "`") : `Dear ${name}`;
  } catch {
    shown = "?";
  }
  page(answer, `<p>${escape(shown)}</p>`);
};

VIEWS["cmdi/output"] = (flawed, asked, answer) => {
  const shown = (error, output) => page(answer, `<pre>${escape(output)}</pre>`);
  if (flawed) exec(`echo ${asked.host}`, shown);
  else execFile("echo", [String(asked.host).replace(/\0/g, "")], shown);
};

VIEWS["cmdi/blind"] = (flawed, asked, answer) => {
  const done = () => json(answer, { state: "done" });
  if (flawed) exec(`true "${asked.file}"`, { timeout: 12000 }, done);
  else execFile("true", [String(asked.file).replace(/\0/g, "")], done);
};

// Files and addresses

VIEWS["pathtraver/file"] = (flawed, asked, answer) => {
  const folder = path.join(__dirname, "documents");
  const wanted = path.join(folder, String(asked.file));
  if (!flawed && !wanted.startsWith(folder + path.sep)) return page(answer, "<p>No such file</p>", 404);
  return fs.readFile(wanted, "utf8", (error, text) =>
    error ? page(answer, "<p>No such file</p>", 404) : page(answer, `<pre>${escape(text)}</pre>`));
};

// The whole path behind the folder, as it was written in the request.
VIEWS["pathtraver/static"] = (flawed, asked, answer, request) => {
  const folder = path.join(__dirname, "documents");
  const name = decodeURIComponent(request.url.split("?")[0].replace(/^\/\w+\/pathtraver\/static\//, ""));
  const wanted = path.join(folder, name);
  if (!flawed && !wanted.startsWith(folder + path.sep)) return page(answer, "<p>No such file</p>", 404);
  return fs.readFile(wanted, "utf8", (error, text) =>
    error ? page(answer, "<p>No such file</p>", 404) : page(answer, `<pre>${escape(text)}</pre>`));
};

VIEWS["ssrf/status"] = (flawed, asked, answer) => {
  const wanted = String(asked.url);
  const good = flawed && /^http:\/\/(127\.0\.0\.1|localhost)[:/]/.test(wanted);
  if (!good) return json(answer, { alive: false });
  const asking = http.get(wanted, (got) => { got.resume(); json(answer, { alive: true }); });
  asking.setTimeout(3000, () => asking.destroy());
  return asking.on("error", () => json(answer, { alive: false }));
};

// Headers: written by hand, because Node refuses line ends

const raw = (answer, lines, body) => {
  const head = ["HTTP/1.1 " + lines[0], ...lines.slice(1), `Content-Length: ${Buffer.byteLength(body)}`, "Connection: close"];
  answer.socket.end(head.join("\r\n") + "\r\n\r\n" + body);
};

VIEWS["crlf/location"] = (flawed, asked, answer) => {
  const to = flawed ? asked.to : encodeURI(String(asked.to)).replace(/%25/g, "%");
  raw(answer, ["302 Found", `Location: /welcome?lang=${to}`], "");
};

VIEWS["crlf/cookie"] = (flawed, asked, answer) => {
  const lang = flawed ? asked.lang : String(asked.lang).replace(/[^\w-]/g, "");
  raw(answer, ["200 OK", "Content-Type: text/html", `Set-Cookie: lang=${lang}; HttpOnly; SameSite=Lax`,
    ...Object.entries(HEADERS).slice(1).map(([name, value]) => `${name}: ${value}`)], "<html>Language set</html>");
};

VIEWS["crlf/line-feed"] = (flawed, asked, answer) => {
  // Takes carriage returns out, and leaves line feeds.
  const file = flawed ? String(asked.file).replace(/\r/g, "") : String(asked.file).replace(/[\r\n]/g, "");
  raw(answer, ["200 OK", "Content-Type: text/plain", "X-Content-Type-Options: nosniff",
    `Content-Disposition: attachment; filename=${file}`], "text");
};

// Objects

const revive = (text) =>
  JSON.parse(text, (name, value) =>
    typeof value === "string" && value.startsWith("_$$ND_FUNC$$_") ? eval(`(${value.slice(13)})`) : value);

VIEWS["deserialization/cookie"] = (flawed, asked, answer, request) => {
  const given = /(?:^|;\s*)profile=([^;]*)/.exec(request.headers.cookie || "");
  try {
    const text = Buffer.from(decodeURIComponent(given ? given[1] : ""), "base64").toString();
    if (flawed) revive(text);
    else JSON.parse(text);
  } catch {
    return page(answer, "<p>Welcome, stranger</p>");
  }
  return page(answer, "<p>Welcome</p>");
};

VIEWS["deserialization/body"] = (flawed, asked, answer) => {
  try {
    if (flawed) revive(JSON.stringify(asked));
  } catch {
    return json(answer, { ok: false });
  }
  return json(answer, { ok: true });
};

VIEWS["redirect/meta"] = (flawed, asked, answer) => {
  const to = flawed || /^\/(?![/\\])/.test(asked.to) ? asked.to : "/";
  page(answer, `<meta http-equiv=refresh content="0;url='${escape(to)}'">`);
};

const fields = (request, url, body) => {
  const asked = Object.fromEntries(url.searchParams);
  const kind = request.headers["content-type"] || "";
  if (kind.includes("json")) {
    try {
      return { ...asked, ...JSON.parse(body) };
    } catch {
      return asked;
    }
  }
  return kind.includes("form") ? { ...asked, ...Object.fromEntries(new URLSearchParams(body)) } : asked;
};

const index = fs.readFileSync(process.env.LAB_INDEX, "utf8");
const server = http.createServer((request, answer) => {
  const url = new URL(request.url, "http://lab");
  if (url.pathname === "/") {
    answer.writeHead(200, HEADERS);
    return answer.end(index);
  }
  const found = /^\/(flawed|fixed)\/(.+)$/.exec(url.pathname) || /^\/(flawed|fixed)\/(pathtraver\/static)\//.exec(request.url);
  const kept = /^\/(flawed|fixed)\/(pathtraver\/static)\//.exec(request.url);
  const view = kept ? VIEWS[kept[2]] : found && VIEWS[found[2]];
  let body = "";
  request.on("data", (piece) => { if (body.length < 100000) body += piece; });
  request.on("end", () => {
    if (!view) return page(answer, "<p>No such page</p>", 404);
    const known = { name: "", q: "", text: "", sum: "1", file: "", host: "", url: "", to: "", lang: "", filter: "1" };
    return view((kept || found)[1] === "flawed", { ...known, ...fields(request, url, body) }, answer, request);
  });
});
server.keepAliveTimeout = 60000;
process.on("uncaughtException", () => {});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
