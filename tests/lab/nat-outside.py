"""What lab-nat has outside: FOLDER's files over HTTP at port 80 of ADDRESS, which also takes an upload (PUT) and
answers with its SHA-256; an echo of UDP and of TCP at port 7000, which half-closes as its peer does; and a resolver
that has every name at ADDRESS, and names that begin with "long" over TCP only."""
import hashlib
import http.server
import os
import socket
import sys
import threading

ADDRESS, FOLDER = sys.argv[1:3]


class Handler(http.server.SimpleHTTPRequestHandler):
    def __init__(self, *args):
        super().__init__(*args, directory=FOLDER)

    def do_POST(self):
        left, digest = int(self.headers["Content-Length"]), hashlib.sha256()
        while left > 0:
            part = self.rfile.read(min(left, 65536))
            if not part:
                return
            digest.update(part)
            left -= len(part)
        self.send_response(200)
        self.end_headers()
        self.wfile.write(digest.hexdigest().encode())

    def log_message(self, *args):
        pass


def echo_udp():
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind((ADDRESS, 7000))
    while True:
        data, peer = s.recvfrom(65536)
        s.sendto(data, peer)


def echo_tcp(conn):
    with conn:
        while data := conn.recv(65536):
            conn.sendall(data)


def accept_tcp():
    s = socket.create_server((ADDRESS, 7000), backlog=500)
    while True:
        conn, _ = s.accept()
        threading.Thread(target=echo_tcp, args=(conn,), daemon=True).start()


def dns_answer(query, over_udp):
    end = 12
    while query[end]:
        end += query[end] + 1
    question = query[12:end + 5]
    if over_udp and query[13:17] == b"long":
        return query[:2] + b"\x83\x80\0\1\0\0\0\0\0\0" + question
    if question[-4:-2] != b"\0\1":
        return query[:2] + b"\x81\x80\0\1\0\0\0\0\0\0" + question
    record = b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4" + socket.inet_aton(ADDRESS)
    return query[:2] + b"\x81\x80\0\1\0\1\0\0\0\0" + question + record


def dns_udp():
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind((ADDRESS, 53))
    while True:
        query, peer = s.recvfrom(4096)
        s.sendto(dns_answer(query, True), peer)


def dns_tcp():
    s = socket.create_server((ADDRESS, 53))
    while True:
        conn, _ = s.accept()
        with conn, conn.makefile("rb") as f:
            query = f.read(int.from_bytes(f.read(2), "big"))
            answer = dns_answer(query, False)
            conn.sendall(len(answer).to_bytes(2, "big") + answer)


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 500


threading.Thread(target=echo_udp, daemon=True).start()
threading.Thread(target=accept_tcp, daemon=True).start()
threading.Thread(target=dns_udp, daemon=True).start()
threading.Thread(target=dns_tcp, daemon=True).start()
server = Server((ADDRESS, 80), Handler)
with open(os.path.join(FOLDER, "ready"), "w", encoding="ascii"):
    pass
server.serve_forever()
