"""Looks at a page from a world of its own, where scripts of the page can neither see nor deceive; and presses buttons."""

import asyncio
import json
from dataclasses import dataclass
from typing import Any

_MOST_CHARACTERS = 4_000_000
_EVALUATE_SECONDS = 4.0
_READY_SECONDS = 0.05

_SIZE = "document.getElementsByTagName('*').length + '|' + location.href"
_HTML = """(() => {
  const parts = [document.documentElement ? document.documentElement.outerHTML.slice(0, MOST) : ''];
  const roots = [document];
  let looked = 0;
  for (const root of roots)
    for (const one of root.querySelectorAll('*')) {
      if (++looked > 50000) break;
      if (one.shadowRoot && roots.length < 500) { roots.push(one.shadowRoot); parts.push(one.shadowRoot.innerHTML); }
    }
  return parts.join('\\n').slice(0, MOST);
})()""".replace("MOST", str(_MOST_CHARACTERS))
_BUTTONS = """(() => {
  const named = 'button,summary,[onclick],[role=button],[role=tab],[role=menuitem],[role=link],input[type=button],' +
    'input[type=submit],input[type=image],a:not([href]),a[href="#"],a[href^="javascript:"]';
  const points = one => one && one.nodeType === 1 && getComputedStyle(one).cursor === 'pointer';
  const kind = one => (one.getAttribute('type') || '').toLowerCase();
  const roots = [document], found = [];
  let looked = 0;
  for (const root of roots)
    for (const one of root.querySelectorAll('*')) {
      if (++looked > 20000 || found.length >= 200) break;
      if (one.shadowRoot && roots.length < 500) roots.push(one.shadowRoot);
      const form = one.localName === 'form' && !one.querySelector('button,input[type=submit],input[type=image]');
      const link = one.localName === 'a' && one.hasAttribute('href') && !one.matches(named);
      if (link || !(form || one.matches(named) || (points(one) && !points(one.parentNode)))) continue;
      if (one.checkVisibility && !one.checkVisibility()) continue;
      if (one.matches('input,select,textarea,option,label') && !/^(button|submit|image)$/.test(kind(one))) continue;
      found.push(one);
    }
  globalThis.found = found;
  return found.map(one => {
    const form = one.form || (one.closest && one.closest('form'));
    const text = [one.innerText || '', one.value, one.title, one.getAttribute('aria-label')];
    const marks = ['id', 'name', 'onclick', 'href', 'action', 'formaction', 'data-action'];
    return [text.filter(part => typeof part === 'string').join(' ').slice(0, 200),
      marks.map(name => one.getAttribute(name) || '').join(' ').slice(0, 500),
      form ? (form.getAttribute('action') || '').slice(0, 200) : '',
      !!form && !!form.querySelector('input[type=password],input[type=file]')];
  });
})()"""
_ROUTES = """[...document.querySelectorAll('a[href*="#/"],a[href*="#!"]')].slice(0, 200)
  .filter(one => one.href.split('#')[0] === location.href.split('#')[0]).map(one => one.hash.slice(0, 500))"""
_GO = "location.hash = ROUTE"
_PRESS = """(index => {
  const one = (globalThis.found || [])[index];
  if (!one || !one.isConnected) return false;
  const usual = {email: 'jindun@example.com', number: '1', range: '1', date: '2024-01-01', time: '12:00', month: '2024-01',
    week: '2024-W01', 'datetime-local': '2024-01-01T12:00', tel: '13800000000', url: 'http://example.com/',
    color: '#000000', checkbox: '', radio: '', hidden: '', file: '', submit: '', button: '', image: '', reset: ''};
  const fill = field => {
    const kind = (field.type || '').toLowerCase();
    if (field.required && (kind === 'checkbox' || kind === 'radio')) field.checked = true;
    else if (field.localName === 'select') {
      const option = [...field.options].find(each => each.value);
      if (!field.value && option) field.value = option.value;
    } else if (!field.value && (kind in usual ? usual[kind] : true)) field.value = kind in usual ? usual[kind] : 'jindun1';
    else if (!field.required) return;
    for (const name of ['input', 'change']) field.dispatchEvent(new Event(name, {bubbles: true}));
  };
  const near = one.form || one.closest('form') || (one.closest('[role=dialog],section,main,body'));
  if (near) [...near.querySelectorAll('input,select,textarea')].slice(0, 60).forEach(fill);
  if (one.localName === 'form') one.requestSubmit(); else one.click();
  return true;
})(INDEX)"""


@dataclass(frozen=True, slots=True)
class Button:
    """Something on a page that can be pressed."""

    index: int
    text: str
    marks: str
    """What else names it: id, handler, address."""
    form: str
    """Where its form is sent to, as written."""
    takes_secrets: bool
    """Its form has a field for a password or a file."""

    @property
    def name(self) -> tuple[str, str, str]:
        """The same for the same button, however often it is found."""
        return self.text, self.marks, self.form


class PageView:
    """One page, from when its document is there. Raises Playwright's errors and TimeoutError when it does not answer."""

    def __init__(self, session: Any) -> None:
        self._session = session
        """Of the DevTools protocol."""
        self._world = 0

    async def ready(self, most_seconds: float) -> None:
        """Until the page is read to its end, though not all of its parts."""
        async with asyncio.timeout(most_seconds):
            while await self._evaluated("document.readyState") == "loading":
                await asyncio.sleep(_READY_SECONDS)

    async def html(self) -> str:
        """What the page is now, with what is in its open shadow trees; never more than 4 million characters."""
        return str(await self._evaluated(_HTML) or "")

    async def size(self) -> str:
        """Changes whenever the page grows or moves."""
        return str(await self._evaluated(_SIZE))

    async def buttons(self) -> list[Button]:
        """What can be pressed, in the order of the page."""
        found = await self._evaluated(_BUTTONS) or []
        return [
            Button(index, str(text), str(marks), str(form), bool(secret))
            for index, (text, marks, form, secret) in enumerate(found)
        ]

    async def routes(self) -> list[str]:
        """Views of the page that its links lead to by the part behind `#`."""
        return [str(one) for one in await self._evaluated(_ROUTES) or []]

    async def go(self, route: str) -> None:
        """Show a view."""
        await self._evaluated(_GO.replace("ROUTE", json.dumps(route)))

    async def press(self, button: Button) -> bool:
        """Fill the fields around it and press it; False when it is gone."""
        return bool(await self._evaluated(_PRESS.replace("INDEX", str(button.index))))

    async def _evaluated(self, expression: str) -> Any:
        async with asyncio.timeout(_EVALUATE_SECONDS):
            if not self._world:
                tree = await self._session.send("Page.getFrameTree")
                frame = {"frameId": tree["frameTree"]["frame"]["id"], "worldName": "jindun"}
                self._world = (await self._session.send("Page.createIsolatedWorld", frame))["executionContextId"]
            told = {"expression": expression, "contextId": self._world, "returnByValue": True, "timeout": 3000}
            answer = await self._session.send("Runtime.evaluate", told)
        return answer["result"].get("value")
