"""Nuclei's HTTP templates: read, run as plans that touch no network, and judged.

`library.load` reads them, `running.run` runs one as a generator, `literals.Literals` spares pages that many look at, and
`coverage.coverage` counts what is supported. Where nuclei does something by accident, we do what the author meant:

- Of several values for a later request, the first one in the order of the page is used, each time.
- Conditions on numbered answers, as `status_code_1`, hold with payloads too; each combination begins without history.
- A later step is not sent once the numbered answers rule a match out.
- Values taken in one block reach the blocks after it without a flow, and what looks like a placeholder in a value that the
  site sent is none.
- A payload that has no value here, as the domain of an address, is passed over; others of its block are sent.
- Pages in GBK are recognised by their own declaration when the header names no charset.
- Strings in expressions end at the quote they began with; a written date is text.
- `{{BaseURL}}` never carries the query of the scanned URL.
- Templates that name a fixed third party, bring their own target or need a helper that we do not run are refused, and say so.
"""
