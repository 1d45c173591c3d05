"""One TLS connection by OpenSSL, from either side; what became of it is one line of JSON.

usage: peer.py serve|connect KEY=VALUE...
  port     where to connect
  ca       authorities that the other side's certificate is checked by; without, it is not
  cert,key what to show
  require  1: the other side must show a certificate
  name     what the other side's certificate must be for
  version  1.2 or 1.3, and no other
A server says first which port it has. It sends back what it is sent; a client sends a request and tells its status.
"""

import json
import socket
import ssl
import sys

side, *rest = sys.argv[1:]
options = dict(item.split("=", 1) for item in rest)
server = side == "serve"
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server else ssl.PROTOCOL_TLS_CLIENT)
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE
if "ca" in options:
    context.load_verify_locations(options["ca"])
    context.verify_mode = ssl.CERT_REQUIRED if not server or options.get("require") else ssl.CERT_OPTIONAL
    context.check_hostname = not server and "name" in options
if "cert" in options:
    context.load_cert_chain(options["cert"], options["key"])
if "version" in options:
    only = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}[options["version"]]
    context.minimum_version = context.maximum_version = only

told = {}
try:
    if server:
        listener = socket.create_server(("127.0.0.1", 0))
        print(listener.getsockname()[1], flush=True)
        plain, _ = listener.accept()
    else:
        plain = socket.create_connection(("127.0.0.1", int(options["port"])))
    plain.settimeout(20)
    with context.wrap_socket(plain, server_side=server, server_hostname=options.get("name")) as connection:
        told["version"] = connection.version()
        told["cipher"] = connection.cipher()[0]
        if server:
            data = connection.recv(65536)
            told["data"] = data.decode(errors="replace")
            told["peer"] = connection.getpeercert(binary_form=True) is not None
            connection.sendall(data)
        else:
            connection.sendall(b"GET /web/a/b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            data = connection.recv(65536)
            told["status"] = int(data.split(b" ")[1]) if data else 0
except (OSError, ssl.SSLError) as error:
    told["error"] = type(error).__name__ + ": " + str(error)
print(json.dumps(told), flush=True)
