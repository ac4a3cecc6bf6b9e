"""What nginx reads: nginx.conf, which changes with the ports, and routes.conf, with each switch.

Where traffic goes is in routes.conf by name and not by IP. A name that is in a variable is not
looked up at the start but when a request comes, again after a second: so nginx starts also while
an instance is not there, and follows one that comes back with another IP. The first line of
routes.conf says the same in JSON, which is also what nginx answers when it is asked at its socket.

A request is counted by a line without words in a file whose name says the service, the release,
the duration and how it ended: the size of a file is a count. The files lie in memory that can take
no more than COUNTS_SIZE.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass

from gonogo.model.target import Counters
from gonogo.proxies._common import BUCKETS
from gonogo.proxies._maintenance import HEADERS, NOTE, PAGE

PLACE = "/etc/gonogo"
"""Where the container sees the folder of these files."""
SOCKET = "status.sock"
LEAVING = "leaving"
"""While there is a file of this name, each answer ends its connection."""
ROUTES, TRIAL = "routes.conf", "trial.conf"
WORKERS = 2
COUNTS, COUNTS_SIZE = "/counts", "64m"
OK, ERROR = "ok", "error"


def _headers() -> str:
    told = (f"add_header {name} '{value}' always;" for name, value in HEADERS.items())
    return "".join(f"            {one}\n" for one in told)


_SHORTER = (
    *(r"0\.00[0-4]", r"0\.00", r"0\.0(?:[01]|2[0-4])", r"0\.0[0-4]", r"0\.0"),
    *(r"0\.(?:1|2[0-4])", r"0\.[0-4]", r"0\.", r"(?:1\.|2\.[0-4])", r"[0-4]\.", r"\d\."),
)
"""How durations begin that are shorter than each bound of BUCKETS and not than the one before."""
_MAIN = f"""\
# Written by gonogo whenever the ports of the services change.
worker_processes {WORKERS};
worker_shutdown_timeout 1h;
pid /tmp/nginx.pid;
# Of effect only if gonogo is run by root: then this folder is root's.
user root;
error_log stderr warn;
events {{
    worker_connections 4096;
}}
http {{
    include {PLACE}/@routes;

    # The engine's own names.
    resolver 127.0.0.11 valid=1s ipv6=off;
    resolver_timeout 10s;

    variables_hash_bucket_size 256;
    root {COUNTS};
    log_format count '';
    map $status $counted_end {{
        101 '';
        ~^5 {ERROR};
        default {OK};
    }}
    map $request_time $counted_time {{
@times        default more;
    }}
    map $http_upgrade $connection_header {{
        '' close;
        default upgrade;
    }}

    # What comes is passed on as it is, both ways, at once. Nothing is sent twice.
    proxy_http_version 1.1;
    proxy_set_header Host $http_host;
    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    proxy_set_header Upgrade $http_upgrade;
    proxy_set_header Connection $connection_header;
    proxy_pass_header Server;
    proxy_pass_header Date;
    proxy_redirect off;
    proxy_buffering off;
    proxy_request_buffering off;
    proxy_next_upstream off;
    proxy_connect_timeout 2s;
    proxy_read_timeout 10m;
    proxy_send_timeout 10m;
    ignore_invalid_headers off;
    underscores_in_headers on;
    large_client_header_buffers 4 16k;
    client_max_body_size 0;
    client_header_timeout 30s;
    client_body_timeout 10m;
    send_timeout 10m;
    keepalive_timeout 75s;
    server_tokens off;
    client_body_temp_path /tmp/client;
    proxy_temp_path /tmp/proxy;
    fastcgi_temp_path /tmp/fastcgi;
    uwsgi_temp_path /tmp/uwsgi;
    scgi_temp_path /tmp/scgi;

    server {{
        listen unix:{PLACE}/{SOCKET};
        access_log off;
        location = / {{
            return 200 @mark;
        }}
@looks    }}
@servers}}
"""
_LOOK = """\
        location = /{service} {{
            return 200 $route_{variable};
        }}
"""
_SERVER = f"""
    server {{{{
        listen {{port}};
        access_log {COUNTS}/{{service}}:$release_{{variable}}:$counted_time:$counted_end count
            if=$counted_end;
        error_page 418 = @leaving;
        error_page 599 =503 /.gonogo/{PAGE};
        location / {{{{
            if (-f {PLACE}/{NOTE}) {{{{
                return 599;
            }}}}
            if ($to_{{variable}} = '') {{{{
                return 503;
            }}}}
            if (-f {PLACE}/{LEAVING}) {{{{
                return 418;
            }}}}
            proxy_pass http://$to_{{variable}};
        }}}}
        location @leaving {{{{
            keepalive_timeout 0;
            proxy_pass http://$to_{{variable}};
        }}}}
        location = /.gonogo/{PAGE} {{{{
            internal;
            access_log off;
            alias {PLACE}/{PAGE};
            types {{{{}}}}
            default_type 'text/html; charset=utf-8';
            etag off;
            if_modified_since off;
{_headers()}        }}}}
    }}}}
"""
_ROUTE = """
map '' $route_{variable} {{
    default '{note}';
}}
map '' $release_{variable} {{
    default '{release}';
}}
split_clients $request_id $to_{variable} {{
{targets}}}
"""
_NOTE = "# "


@dataclass(frozen=True, kw_only=True)
class Route:
    """Where a service's traffic goes. Without a release: nowhere."""

    release: str = ""
    addresses: Sequence[str] = ()


def static(ports: Mapping[str, int], routes: str = ROUTES) -> str:
    """nginx.conf, with the file that has the routes."""
    return _static(ports).replace("@routes", routes).replace("@mark", fingerprint(ports))


def fingerprint(ports: Mapping[str, int]) -> str:
    """A hash of all that nginx reads, but for where the traffic goes."""
    whole = _static(ports) + render({"": Route()})
    return hashlib.sha256(whole.encode()).hexdigest()[:16]


def render(routes: Mapping[str, Route]) -> str:
    """routes.conf."""
    told = {service: asdict(route) for service, route in sorted(routes.items())}
    parts = (
        _ROUTE.format(
            variable=_variable(service),
            note=json.dumps(told[service]),
            release=route.release,
            targets="".join(_targets(route.addresses)),
        )
        for service, route in sorted(routes.items())
    )
    return f"{_NOTE}{json.dumps(told)}\n" + "".join(parts)


def parse(text: str) -> dict[str, Route]:
    """The inverse of render."""
    told = json.loads(text.partition("\n")[0].removeprefix(_NOTE))
    return {service: parse_route(one) for service, one in told.items()}


def parse_route(told: Mapping[str, list[str] | str]) -> Route:
    """A route from JSON."""
    return Route(release=str(told["release"]), addresses=tuple(told["addresses"]))


def counted(sizes: Mapping[str, int], service: str, release: str) -> Counters:
    """What the sizes of the files in COUNTS say about a service in a release."""
    requests = errors = 0
    each = dict.fromkeys(map(str, BUCKETS), 0)
    for name, size in sizes.items():
        whom, _, rest = name.partition(f":{release}:")
        if whom != service:
            continue
        bound, _, end = rest.partition(":")
        requests += size
        errors += size if end == ERROR else 0
        each[bound] = each.get(bound, 0) + size
    buckets: dict[float, float] = {}
    total = 0
    for limit in BUCKETS:
        total += each[str(limit)]
        buckets[limit] = total
    return Counters(requests=requests, server_errors=errors, buckets=buckets)


def _static(ports: Mapping[str, int]) -> str:
    named = {service: _variable(service) for service in sorted(ports)}
    looks = (_LOOK.format(service=service, variable=one) for service, one in named.items())
    servers = (
        _SERVER.format(service=service, variable=one, port=ports[service])
        for service, one in named.items()
    )
    times = (
        f"        ~^{pattern} {bound};\n" for pattern, bound in zip(_SHORTER, BUCKETS, strict=True)
    )
    return (
        _MAIN.replace("@looks", "".join(looks))
        .replace("@servers", "".join(servers))
        .replace("@times", "".join(times))
    )


def _targets(addresses: Sequence[str]) -> Iterator[str]:
    """Each address with its share of the requests."""
    *others, last = addresses or ("",)
    share = int(10_000 / len(addresses or " ")) / 100
    for address in others:
        yield f"    {share}% {address};\n"
    yield f"    * '{last}';\n"


def _variable(service: str) -> str:
    """A service's name as a part of a variable's: other services have others."""
    return re.sub(r"[^a-zA-Z0-9]", lambda one: f"_{ord(one[0]):x}_", service)
