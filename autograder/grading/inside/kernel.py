"""Runs inside bubblewrap: imports what notebooks need once, then forks one kernel for each submission.

Three processes stand behind a kernel, and no student's code runs in the first two:

- the **parent**, warm and single-threaded. It waits on the control socket and forks. It never sees a student's code;
- the **keeper**, process 1 of the submission's own namespaces (processes, mounts, network, IPC and, where we are not
  root, users). It has a fresh home and /tmp of bounded size, passes interrupts on, and ends everything when the kernel
  ends, when all processes together use too much memory, or when nobody outside waits for it any more. It cannot be
  traced or killed from within;
- the **kernel**, without privileges, under limits, and behind a filter of system calls. Whatever it starts dies with
  the keeper.

So nothing of one submission can reach the next: not by memory, not by a file, not by a process left behind.
"""

import array
import contextlib
import ctypes
import errno
import gc
import importlib
import json
import os
import platform
import resource
import select
import signal
import socket
import struct
import sys
import time
from collections.abc import Callable
from functools import partial

HOME = "/home/student"
SCRATCH = ("/tmp", HOME, "/dev/shm")
NEWNS, NEWIPC, NEWUSER, NEWPID, NEWNET = 0x20000, 0x8000000, 0x10000000, 0x20000000, 0x40000000
NOSUID_NODEV, NOSUID_NODEV_NOEXEC, REC_PRIVATE = 6, 14, 0x44000
LARGE_PAGE, COLLAPSE = 2 << 20, 25  # bytes; what to do with memory
SET_DUMPABLE, CAPBSET_DROP, SET_SECCOMP, SET_NO_NEW_PRIVS = 4, 24, 22, 38

JOIN = b"join"  # comes with a further control socket

libc = ctypes.CDLL(None, use_errno=True)
in_python = ctypes.PyDLL(None, use_errno=True)  # calls that keep Python's lock


def main(control: int) -> None:
    """The parent: one request a kernel, until the other end of the control socket is closed.

    Whoever is outside says first what to import. A request may also bring a control socket for one more that asks.
    """
    first = socket.socket(fileno=control)
    gc.disable()  # what is made now stays; objects freed among it would have kernels write to the pages that they share
    from autograder import cells  # what it lacks is to be said, not passed over

    first.send(b"made")
    import_all(["autograder.answering"])
    import_all(json.loads(receive(first)[0] or b"[]"))
    serve = partial(cells.serve, cells.make_shell())
    gather_memory()
    gc.freeze()
    gc.enable()
    first.send(b"ready")
    controls = [first]
    while True:
        for control in select.select(controls, [], [])[0]:
            message, descriptors = receive(control)
            if message == JOIN:
                controls.append(socket.socket(fileno=descriptors[0]))
                say(controls[-1], "ready")
            elif message:
                start_kernel(control, controls, json.loads(message), descriptors, serve)
            elif control is first:
                return
            else:
                controls.remove(control)
                control.close()


def import_all(modules: list[str]) -> None:
    for name in modules:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)


def gather_memory() -> None:
    """Have this process's memory lie in large pages, where the system can do that: forks cost less than half."""
    with open("/proc/self/maps") as file:
        areas = [line.split() for line in file]
    for place, rights, _, _, _, *name in areas:
        if rights == "rw-p" and name in ([], ["[heap]"]):
            start, end = (int(number, 16) for number in place.split("-"))
            start, end = -(-start // LARGE_PAGE) * LARGE_PAGE, end // LARGE_PAGE * LARGE_PAGE
            if start < end:
                libc.madvise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), COLLAPSE)


def start_kernel(
    control: socket.socket,
    controls: list[socket.socket],
    request: dict,
    descriptors: list[int],
    serve: Callable[[socket.socket], None],
) -> None:
    """Fork a keeper for whoever is at the other end of ``control``. It has none of the other ``controls``."""
    root, uid, gid = os.geteuid() == 0, os.geteuid(), os.getegid()
    try:
        if fork_into(NEWNS | NEWIPC | NEWPID | NEWNET | (0 if root else NEWUSER)) == 0:
            for other in controls:
                if other is not control:
                    other.close()
            keep(control, request, descriptors, serve, root, uid, gid)
    except (OSError, KeyError) as error:
        say(control, f"failed: {error}")
    for descriptor in descriptors:
        os.close(descriptor)
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def receive(control: socket.socket) -> tuple[bytes, list[int]]:
    """A message and the descriptors that came with it; an empty one from whoever is gone."""
    descriptors = array.array("i")
    room = socket.CMSG_SPACE(250 * descriptors.itemsize)
    try:
        message, extras, _, _ = control.recvmsg(1_000_000, room)
    except ConnectionError:
        return b"", []
    for _, kind, data in extras:
        if kind == socket.SCM_RIGHTS:
            descriptors.frombytes(data[: len(data) - len(data) % descriptors.itemsize])
    return message, list(descriptors)


def say(control: socket.socket, words: str) -> None:
    """Say something to somebody who may be gone."""
    with contextlib.suppress(OSError):
        control.send(words.encode())


def fork_into(namespaces: int) -> int:
    """Fork, with the child in new namespaces: process 1 there. What `os.fork` does for Python is done here, too."""
    number = CLONE[ARCHITECTURES[platform.machine()][0]]
    python = ctypes.pythonapi
    python.PyOS_BeforeFork()
    pid = in_python.syscall(*map(ctypes.c_long, (number, namespaces | signal.SIGCHLD, 0, 0, 0, 0)))
    if pid == 0:
        python.PyOS_AfterFork_Child()
    else:
        python.PyOS_AfterFork_Parent()
    if pid < 0:
        raise OSError(ctypes.get_errno(), f"clone: {os.strerror(ctypes.get_errno())}")
    return pid


def keep(
    control: socket.socket,
    request: dict,
    descriptors: list[int],
    serve: Callable[[socket.socket], None],
    root: bool,
    uid: int,
    gid: int,
) -> None:
    """The keeper. Never returns."""
    try:
        if not root:
            write("/proc/self/setgroups", "deny")
            write("/proc/self/uid_map", f"{uid} {uid} 1")
            write("/proc/self/gid_map", f"{gid} {gid} 1")
        report, talk, *files = descriptors
        furnish(request, root)
        # The other end learns our process id as it sees it from the credentials that the system puts on a message.
        control.send(b"kept")
        control.close()
        surrender(request, root)
        copy(dict(zip(request["files"], files, strict=True)), request["disk"])
        sys_call("prctl", SET_DUMPABLE, 0, 0, 0, 0)
        kernel = os.fork()
        if kernel == 0:
            os.close(report)
            run_kernel(request, socket.socket(fileno=talk), serve)
        os.close(talk)
        signal.signal(signal.SIGINT, lambda *_: os.kill(kernel, signal.SIGINT))
        os.write(report, watch(kernel, request["memory"], report).encode())
    except BaseException as error:
        say(control, f"failed: {type(error).__name__}: {error}")
    finally:
        os._exit(0)  # the end of process 1 is the end of all others


def furnish(request: dict, root: bool) -> None:
    """A home, a /tmp and a /proc of this submission's own."""
    sys_call("mount", b"none", b"/", None, REC_PRIVATE, None)
    owner = request["uid"] if root else os.geteuid()
    for place in SCRATCH:
        options = f"size={request['disk']},nr_inodes=20000,mode=0700,uid={owner},gid={owner if root else os.getegid()}"
        sys_call("mount", b"tmpfs", place.encode(), b"tmpfs", NOSUID_NODEV, options.encode())
    sys_call("mount", b"proc", b"/proc", b"proc", NOSUID_NODEV_NOEXEC, None)
    if not root:
        with contextlib.suppress(OSError):
            write("/proc/sys/user/max_user_namespaces", "0")


def surrender(request: dict, root: bool) -> None:
    """Give up every privilege for good."""
    for capability in range(64):
        if libc.prctl(CAPBSET_DROP, capability, 0, 0, 0):
            break
    if root:
        os.setgroups([])
        os.setresgid(request["uid"], request["uid"], request["uid"])
        os.setresuid(request["uid"], request["uid"], request["uid"])
    sys_call("capset", struct.pack("=Ii", 0x20080522, 0), bytes(24))
    sys_call("prctl", SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def copy(files: dict[str, int], most: int) -> None:
    """The files that were handed in as descriptors, into the home folder."""
    for name, descriptor in files.items():
        path = os.path.join(HOME, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with os.fdopen(descriptor, "rb") as source, open(path, "wb") as target:
            target.write(source.read(most))


def watch(kernel: int, most: int, report: int) -> str:
    """Wait for the kernel's end, or for the moment when all processes together hold more than ``most`` bytes.

    Or for the end of whoever asked for the kernel, when nobody is left at the other end of ``report``.
    """
    asker = select.poll()
    asker.register(report, 0)
    while not asker.poll(0):
        with contextlib.suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                if ended[0] == kernel:
                    return f"exit {os.waitstatus_to_exitcode(ended[1])}"
        used = 0
        for process in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError, ValueError, IndexError), open(f"/proc/{process}/statm") as file:
                used += int(file.read().split()[1])
        if used * resource.getpagesize() > most:
            return "memory"
        time.sleep(0.05)
    return "nobody"


# ---- the kernel -----------------------------------------------------------------------------------------------------


def run_kernel(request: dict, talk: socket.socket, serve: Callable[[socket.socket], None]) -> None:
    """Limits, filter, and then the notebook's cells. Never returns."""
    try:
        os.setsid()
        nowhere = os.open(os.devnull, os.O_RDWR)
        for stream in range(3):  # those that we were started with lead to a file outside
            os.dup2(nowhere, stream)
        sys_call("prctl", SET_DUMPABLE, 1, 0, 0, 0)
        for name, limit in request["limits"].items():
            kind = getattr(resource, f"RLIMIT_{name}")
            hard = resource.getrlimit(kind)[1]
            most = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
            resource.setrlimit(kind, (most, most))
        filter_system_calls()
        os.chdir(HOME)
        sys.argv = [""]
        sys.modules["numpy"].random.seed()
        if torch := sys.modules.get("torch"):
            torch.seed()
        serve(talk)
    finally:
        os._exit(1)


# System calls that no notebook needs and by which a process could get round its limits: other processes' memory, memory
# that belongs to no process, namespaces and mounts, and doors to large parts of the system. The numbers are those of
# x86_64 and aarch64.
DENIED = {
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "move_pages": (279, 239),
    "memfd_create": (319, 279), "memfd_secret": (447, 447), "shmget": (29, 194), "userfaultfd": (323, 282),
    "unshare": (272, 97), "setns": (308, 268), "chroot": (161, 51), "pivot_root": (155, 41),
    "mount": (165, 40), "umount2": (166, 39), "mount_setattr": (442, 442), "move_mount": (429, 429),
    "open_tree": (428, 428), "fsopen": (430, 430), "fsconfig": (431, 431), "fsmount": (432, 432), "fspick": (433, 433),
    "name_to_handle_at": (303, 264), "open_by_handle_at": (304, 265), "swapon": (167, 224), "swapoff": (168, 225),
    "acct": (163, 89), "bpf": (321, 280), "perf_event_open": (298, 241), "io_uring_setup": (425, 425),
    "add_key": (248, 217), "request_key": (249, 218), "keyctl": (250, 219),
}  # fmt: skip
CLONE, CLONE3 = (56, 220), (435, 435)
ARCHITECTURES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
ANY_NAMESPACE = NEWNS | NEWIPC | NEWUSER | NEWPID | NEWNET | 0x02000000 | 0x04000000  # and cgroups, host names


def filter_system_calls() -> None:
    """Have the system refuse the calls above, and clone with a new namespace, in this process and its children."""
    if platform.machine() not in ARCHITECTURES:
        return
    machine, architecture = ARCHITECTURES[platform.machine()]
    load, if_equal, if_larger, if_any_bit, leave = 0x20, 0x15, 0x25, 0x45, 0x06  # instructions; then jumps, and a value
    refuse, missing, allow = 0x00050000 | errno.EPERM, 0x00050000 | errno.ENOSYS, 0x7FFF0000
    program = [
        (load, 0, 0, 4), (if_equal, 1, 0, architecture), (leave, 0, 0, refuse),
        (load, 0, 0, 0), (if_larger, 0, 1, 0x3FFFFFFF), (leave, 0, 0, refuse),  # a second way to number the calls
        (if_equal, 0, 1, CLONE3[machine]), (leave, 0, 0, missing),  # its flags can't be read here; libraries use clone
        *(step for numbers in DENIED.values() for step in ((if_equal, 0, 1, numbers[machine]), (leave, 0, 0, refuse))),
        (if_equal, 0, 3, CLONE[machine]), (load, 0, 0, 16), (if_any_bit, 0, 1, ANY_NAMESPACE), (leave, 0, 0, refuse),
        (leave, 0, 0, allow),
    ]  # fmt: skip
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *step) for step in program))
    pointer = struct.pack("@HP", len(program), ctypes.addressof(code))
    sys_call("prctl", SET_SECCOMP, 2, pointer, 0, 0)


def sys_call(name: str, *arguments) -> None:
    """Call the C library; an error is an OSError that names the call."""
    if getattr(libc, name)(*arguments):
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


def write(path: str, text: str) -> None:
    with open(path, "w") as file:
        file.write(text)


if __name__ == "__main__":
    main(int(sys.argv[1]))
