"""What ``nbgrader collect`` takes out of the exchange: regular files, and no hand-in that stops the others.

In the exchange students own their folders, so what lies there need not be what ``nbgrader submit`` made. nbgrader
follows links, which lead to what only the instructor may read, another hand-in say. And it collects nobody any more
after a name that it can't read, a link to nowhere or a pipe. Here such things are left out, and named with the reason.
"""

import errno
import os
import stat
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from nbgrader.exchange import ExchangeError
from nbgrader.exchange.default import ExchangeCollect


class Collect(ExchangeCollect):
    """nbgrader's own, which is given nothing but regular files of a bounded size."""

    def _path_to_record(self, path):
        try:
            return super()._path_to_record(path)
        except (ExchangeError, ValueError, OverflowError):  # no student, or a time that is none
            return {"username": "", "filename": os.path.basename(path), "timestamp": datetime.min}

    def init_src(self):
        super().init_src()
        self.src_records = [record for record in self.src_records if self.sound(record)]

    def sound(self, record):
        """Whether a hand-in can be collected. Where not, an earlier one that was stays."""
        path = os.path.join(self.inbound_path, record["filename"])
        if not record["username"] or record["username"].startswith("."):
            why = "its name does not say whose it is and when it was handed in"
        elif not stat.S_ISDIR(os.lstat(path).st_mode):
            why = "it is no folder"
        else:
            return True
        self.log.warning("%s is not collected: %s.", path, why)
        return False

    def do_copy(self, src, dest, log=None):
        with TemporaryDirectory(prefix="collect_") as folder:
            clean = Path(folder, "hand-in")
            self.take(src, clean)
            super().do_copy(str(clean), dest, log)

    def take(self, src, clean):
        """Copy the regular files in the folder ``src``, as far as they have room in a hand-in. No link is followed."""
        room, most = 1000 * self.coursedir.max_dir_size, 1000 * self.coursedir.max_file_size
        clean.mkdir()
        for place, folders, names, opened in os.fwalk(src, onerror=self.left_out):
            target = clean / os.path.relpath(place, src)
            target.mkdir(exist_ok=True)
            links = [name for name in folders if stat.S_ISLNK(os.lstat(os.path.join(place, name)).st_mode)]
            for name in names + links:
                try:
                    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK  # nor waits for the other end of a pipe
                    with open(os.open(name, flags, dir_fd=opened), "rb") as file:
                        about = os.fstat(file.fileno())
                        why = "" if stat.S_ISREG(about.st_mode) else "no regular file"
                        why = why or ("too large" if about.st_size > min(most, room) else "")
                        if not why:
                            room -= about.st_size
                            with (target / name).open("xb") as copy:
                                copy.write(file.read(about.st_size))  # no more, though it may grow meanwhile
                except OSError as error:
                    why = "a link" if error.errno == errno.ELOOP else str(error.strerror)
                if why:
                    self.log.warning("%s is left out: %s.", os.path.join(place, name), why)

    def left_out(self, error):
        self.log.warning("%s is left out: %s.", error.filename, error.strerror)
