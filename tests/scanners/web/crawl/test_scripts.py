"""What scripts would ask for, told without running them."""

import json
from urllib.parse import parse_qsl

import pytest

from scanners.web.crawl.lead import Lead, Reading
from tests.scanners.web.crawl.reading_pages import found, lead_to, reading_of


def script(text: str) -> Reading:
    return reading_of(text, "application/javascript")


CALLS = {
    "fetch('/api/a')": "GET /api/a",
    "fetch(`/api/a/${id}/b?x=${y}`)": "GET /api/a/1/b?x=1",
    "const u='/base'; fetch(u + '/list?id=' + id)": "GET /base/list?id=1",
    "fetch(API_ROOT + '/list')": "GET /app/1/list",
    "axios.delete('/api/users/' + user.id)": "DELETE /api/users/1",
    "axios({method: 'put', url: '/api/x', data: {a: 1}})": "PUT /api/x",
    "const http = axios.create({baseURL: '/v2', timeout: 5}); http.get('users', {params: {page: 1}})": "GET /v2/users?page=1",
    "$.get('/list.php', {q: word, n: 2})": "GET /list.php?q=1&n=2",
    "$.getJSON('data.json?x=1', function(d) {})": "GET /app/data.json?x=1",
    "$.ajax({url: '/a.do', data: {k: 1}})": "GET /a.do?k=1",
    "$.ajax({type: 'POST', url: '/a.do', data: {k: 1}})": "POST /a.do",
    "jQuery.post('/p.action', 'a=1&b=2')": "POST /p.action",
    "var x=new XMLHttpRequest();x.open('POST','/x');x.send('a=1')": "POST /x",
    "uni.request({url: '/wx/api', method: 'POST', data: {code}})": "POST /wx/api",
    "navigator.sendBeacon('/beacon', data)": "POST /beacon",
    "window.location.href = '/next?from=' + here": "GET /next?from=1",
    "router.push({path: '/users/:id/edit'})": "GET /users/1/edit",
    "this.$http.post('/api/login', {user: this.u, pass: this.p})": "POST /api/login",
    "let menu = [{name: 'x', url: 'admin/list.php?a=1'}]": "GET /app/admin/list.php?a=1",
    'var s = "\\u002fapi\\x2funicode"': "GET /api/unicode",
    "import('./chunk.js')": "GET /app/chunk.js",
}


@pytest.mark.parametrize("text", CALLS)
def test_calls(text: str) -> None:
    assert CALLS[text] in found(script(text))


NOISE = [
    "var t = 'text/html'; var r = /ab\\/c/g; var d = 'yyyy/MM/dd'; var h = '</div>'; var c = '//'",
    "x = a / b; y = '/'; z = './'; w = '/^[a-z]+$/'; m = 'application/json'",
    "var a = {b: /'/, c: x}, d = {e: /\\/['\"]/g, f: 1}; g = (h) / 2; i = \"'/\"",
    "// fetch('/commented')\n/* fetch('/also') */",
    "console.log('a/b c/d'); n = 'and/or'; i = 'I/O'",
]


@pytest.mark.parametrize("text", NOISE)
def test_what_is_no_address_is_not_told(text: str) -> None:
    assert found(script(text)) == []


def test_fields_headers_and_cookies_are_named() -> None:
    reading = script(
        """var xhr = new XMLHttpRequest(); xhr.open('POST', '/h', true);
        xhr.setRequestHeader('X-Custom', value); xhr.send($('#f').serialize());
        fetch('/j', {method: 'POST', headers: {'X-Token': t, 'Content-Type': 'application/json'},
                     body: JSON.stringify({name: n, deep: {list: [1, {x: 'y'}]}, flag: true})});
        document.cookie = "theme=" + v; Cookies.set('lang', l); localStorage.setItem('no', 1);
        var fd = new FormData(); fd.append('file_field', f); fetch('/up', {method: 'POST', body: fd});"""
    )
    assert set(reading.names) >= {"X-Custom", "X-Token", "theme", "lang", "file_field", "name", "deep", "flag"}
    assert "no" not in reading.names
    assert dict(lead_to(reading, "/h").headers)["X-Custom"] == "1"
    sent = lead_to(reading, "/j")
    assert json.loads(sent.body) == {"name": "1", "deep": {"list": [1, {"x": "y"}]}, "flag": True}
    assert dict(sent.headers)["Content-Type"] == "application/json"
    assert b"file_field" in lead_to(reading, "/up").body


def test_the_submit_script_that_puts_a_field_into_a_header() -> None:
    lead = only(
        """function submitForm() { var url = $('#F').attr('action') || '/bench/01/Test7';
        var text = $("#F input[id=Test7]").val(); var xhr = new XMLHttpRequest();
        xhr.open("POST", '/bench/01/Test7', true); xhr.setRequestHeader("Test7", encodeURIComponent(text)); xhr.send({}); }"""
    )
    assert dict(lead.headers) == {"Test7": "1"}


def test_bodies_of_forms() -> None:
    lead = only("$.post('/save', {a: 'x y', b: el.value, c: [1]}, function(r) { done(r) })")
    assert lead.headers == (("Content-Type", "application/x-www-form-urlencoded"),)
    assert parse_qsl(lead.body.decode()) == [("a", "x y"), ("b", "1"), ("c", "1")]
    lead = only("x.open('POST', '/s'); x.send('a=' + v + '&b=2')")
    assert lead.body == b"a=1&b=2"


def only(text: str) -> Lead:
    (lead,) = [lead for lead in script(text).leads if lead.method != "GET"]
    return lead
