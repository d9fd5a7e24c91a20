"""The machine a run was made on."""

from __future__ import annotations

import platform

import attrs


@attrs.frozen(kw_only=True)
class Machine:
    """What decides the last bits of a result beside the program.

    Attributes
    ----------
    platform
        Operating system, kernel and C library.
    processor
        Its architecture and the vector instructions that torch uses.
    accelerator
        Name of the graphics processor that rendered, or None.
    python
        Version of Python.
    torch
        Version of torch.
    numpy
        Version of numpy.
    threads
        Threads that torch computes with.
    """

    platform: str
    processor: str
    accelerator: str | None
    python: str
    torch: str
    numpy: str
    threads: int


def this_machine(device: str = "cpu") -> Machine:
    """The machine of this process, rendering on a torch device."""
    import numpy
    import torch

    on_gpu = torch.device(device).type == "cuda"
    return Machine(
        platform=platform.platform(),
        processor=f"{platform.processor() or platform.machine()} {torch.backends.cpu.get_cpu_capability()}",
        accelerator=torch.cuda.get_device_name(device) if on_gpu else None,
        python=platform.python_version(),
        torch=str(torch.__version__),
        numpy=str(numpy.__version__),
        threads=torch.get_num_threads(),
    )
