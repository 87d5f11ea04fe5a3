"""Uploads a file with http.client, and prints the status and the code of the answer."""

import http.client
import json
import ssl
import sys
from urllib.parse import urlsplit

method, url, headers, file, is_chunked = sys.argv[1:6]
parts = urlsplit(url)
if parts.scheme == "https":
    connection = http.client.HTTPSConnection(parts.netloc, context=ssl._create_unverified_context(), timeout=20)
else:
    connection = http.client.HTTPConnection(parts.netloc, timeout=20)
fields = json.loads(headers)
with open(file, "rb") as body:
    if is_chunked == "true":
        fields["Transfer-Encoding"] = "chunked"
        pieces = iter(lambda: body.read(65536), b"")
        connection.request(method, parts.path, pieces, fields, encode_chunked=True)
    else:
        connection.request(method, parts.path, body.read(), fields)
answer = connection.getresponse()
print(json.dumps({"status": answer.status, "code": json.loads(answer.read())["code"]}))
