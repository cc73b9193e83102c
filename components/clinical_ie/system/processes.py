"""Whether a process that is known by its number still runs."""

import ctypes
import os
import sys
from collections.abc import Callable
from typing import Any

# Of Windows: the right to wait for a process, and what two of its functions answer.
_SYNCHRONIZE = 0x100000
_WAIT_TIMEOUT = 0x102
_ACCESS_DENIED = 5


def is_running(process: int) -> bool:
    """Whether there is a process of this number on this machine, whoever has started it."""
    if sys.platform == "win32":
        # There, signal 0 is Ctrl-C.
        kernel = ctypes.WinDLL("kernel32", use_last_error=True)
        return _is_running(kernel, ctypes.get_last_error, process)
    try:
        # Signal 0 asks, and does nothing.
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


def _is_running(kernel: Any, error: Callable[[], int], process: int) -> bool:
    """The same by the functions of Windows: a process that has ended can be waited for."""
    kernel.OpenProcess.restype = ctypes.c_void_p
    handle = ctypes.c_void_p(kernel.OpenProcess(_SYNCHRONIZE, False, process))
    if not handle:
        return error() == _ACCESS_DENIED
    try:
        return bool(kernel.WaitForSingleObject(handle, 0) == _WAIT_TIMEOUT)
    finally:
        kernel.CloseHandle(handle)
