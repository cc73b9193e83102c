"""Whether a process is still running."""

import ctypes
import os
import sys
from collections.abc import Callable
from typing import Any

# Windows constants: the right to wait for a process, and results of two functions.
_SYNCHRONIZE = 0x100000
_WAIT_TIMEOUT = 0x102
_ACCESS_DENIED = 5


def is_running(process: int) -> bool:
    """Whether a process with this id runs on this machine, whoever started it."""
    if sys.platform == "win32":
        # On Windows, signal 0 is Ctrl-C.
        kernel = ctypes.WinDLL("kernel32", use_last_error=True)
        return _is_running(kernel, ctypes.get_last_error, process)
    try:
        # Signal 0 only checks whether the process exists.
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


def _is_running(kernel: Any, error: Callable[[], int], process: int) -> bool:
    """The same with Windows functions: a wait times out only if the process is still running."""
    kernel.OpenProcess.restype = ctypes.c_void_p
    handle = ctypes.c_void_p(kernel.OpenProcess(_SYNCHRONIZE, False, process))
    if not handle:
        return error() == _ACCESS_DENIED
    try:
        return bool(kernel.WaitForSingleObject(handle, 0) == _WAIT_TIMEOUT)
    finally:
        kernel.CloseHandle(handle)
