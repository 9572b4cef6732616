"""A network between the program and its database: passes on, falls silent like a cable that was pulled, or hangs up."""

import socket
import threading

HOST = "127.0.0.1"


class Relay:
    """Passes on what comes to its port, and what is answered. It may listen at the far end of a cable."""

    def __init__(self, to_port, cable=None):
        self.to_port = to_port
        self.listener = cable.listen() if cable else socket.create_server((HOST, 0), backlog=256)
        self.port = self.listener.getsockname()[1]
        self._passing = threading.Event()
        self._passing.set()
        self._lock, self._open = threading.Lock(), set()
        threading.Thread(target=self._accept, daemon=True).start()

    def fall_silent(self):
        """From now on nothing arrives, and nobody is told."""
        self._passing.clear()

    def hang_up(self):
        """Ends all connections."""
        with self._lock:
            ended, self._open = self._open, set()
        for connection in ended:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # its other end was quicker

    def go_on(self):
        """What was under way when it fell silent is lost with its connections; new ones are served."""
        self.hang_up()
        self._passing.set()

    def stop(self):
        self.listener.close()
        self.go_on()

    def _accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(near,), daemon=True).start()

    def _serve(self, near):
        with self._lock:
            self._open.add(near)
        self._passing.wait()
        try:
            far = socket.create_connection((HOST, self.to_port))
        except OSError:
            near.close()
            return
        for connection in (near, far):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self._lock:
            self._open.add(far)
        back = threading.Thread(target=self._pass_on, args=(far, near), daemon=True)
        back.start()
        self._pass_on(near, far)
        back.join()
        with self._lock:
            self._open -= {near, far}
        near.close()
        far.close()

    def _pass_on(self, source, target):
        try:
            while data := source.recv(65536):
                self._passing.wait()
                target.sendall(data)
        except OSError:
            pass
        for connection in (source, target):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
