"""Where redirects lead from an answer that many were given: one trail for all of them who follow in the same way."""

from scanners.web.cookies import CookieJar
from scanners.web.message import Answer, Failure, Hop, Request, Target
from scanners.web.redirects import Redirects, endless, next_request
from scanners.web.templates.running import Send


class Trail:
    """The hops so far."""

    def __init__(self, send: Send, hops: tuple[Hop, ...], number: int) -> None:
        self.send, self.hops, self.number = send, hops, number
        self.jar = CookieJar() if send.cookies else None

    def ahead(self) -> tuple[Target, Request] | Failure | None:
        """What is asked next; a failure when that would never end; None when nothing is."""
        last = self.hops[-1]
        new_cookies = self.jar.take(last.target, last.request.target, last.response) if self.jar is not None else False
        policy = self.send.redirects
        following = next_request(self.hops[0].target, last.target, last.request, last.response, policy)
        if following is None:
            return None
        return endless(self.hops, following, policy, new_cookies) or following

    @property
    def has_cookies(self) -> bool:
        """Whether the site would know who asks next, so that no other's answer will do."""
        return self.jar is not None and bool(self.jar.cookies())

    def rest(self) -> Redirects:
        """The policy from here on."""
        policy = self.send.redirects
        return Redirects(policy.follow, policy.most - len(self.hops))

    def answer(self, failure: Failure | None = None) -> Answer:
        """The whole chain."""
        return Answer(self.hops, failure)
