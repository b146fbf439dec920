#!/usr/bin/python3
"""A Modbus TCP instrument made of pymodbus, and the oracle of tests.

Its holding registers carry float32 values, two registers each, from address 0.
Every read request gets values that no earlier request got: the bits of each
float count up by one with each read, from a start of its own. What is served is
logged before it is sent, one JSON line per float that the request covers whole:

    {"time": "2026-01-02T03:04:05.678901Z", "point": "f003", "address": 6,
     "raw": [17530, 1], "value": 3000.00024}

value is the float32 widened to a double, as Python writes it: the shortest
decimal that reads back as the same double. raw is the registers as on the wire.
Lines of one request are appended by one write, so the log survives kill -9. A
logged value may not have reached its reader; an unlogged one was never sent.

With --print-profile it prints the profile that reads this instrument, and exits.
Otherwise it prints "listening on HOST:PORT" once it serves.
Needs Debian's python3-pymodbus (3.0) and python3-serial-asyncio.
"""

import argparse
import asyncio
import json
import os
import struct
from datetime import datetime, timezone


def parse_arguments():
    p = argparse.ArgumentParser(description="a Modbus TCP instrument that logs what it serves")
    p.add_argument("--host", default="127.0.0.1")
    p.add_argument("--port", type=int, default=0, help="0 takes a free one")
    p.add_argument("--log", help="file to append JSON lines to")
    p.add_argument("--floats", type=int, default=100, help="number of float32 values")
    p.add_argument("--word-order", choices=["high-first", "low-first"], default="high-first")
    p.add_argument("--first", type=int, default=0, help="reads already counted, for a restart")
    p.add_argument("--print-profile", action="store_true")
    return p.parse_args()


def point(index):
    return f"f{index:03d}"


def print_profile(args):
    print("version: 1\nname: pymodbus\nprotocol: modbus")
    print(f"modbus: {{function: 3, word-order: {args.word_order}}}\npoints:")
    for i in range(args.floats):
        print(f"  - {{name: {point(i)}, address: {2 * i}, type: float32}}")


class Instrument:
    """Draws values, and logs them."""

    def __init__(self, args):
        self.log = os.open(args.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self.low_first = args.word_order == "low-first"
        starts = (struct.unpack(">I", struct.pack(">f", 1000.0 * (i + 1)))[0] for i in range(args.floats))
        self.bits = [start + args.first for start in starts]

    def registers(self, address, count):
        lines, words = [], []
        now = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        first, last = address // 2, (address + count - 1) // 2
        for i in range(first, last + 1):
            whole = 2 * i >= address and 2 * i + 2 <= address + count
            if whole:
                self.bits[i] += 1
            raw = [self.bits[i] >> 16, self.bits[i] & 0xFFFF]
            if self.low_first:
                raw.reverse()
            words += raw
            if whole:
                lines.append(self.line(now, i, raw))
        if lines:
            os.write(self.log, "".join(lines).encode())
        start = address - 2 * first
        return words[start : start + count]

    def line(self, now, i, raw):
        (value,) = struct.unpack(">f", struct.pack(">I", self.bits[i]))
        return json.dumps({"time": now, "point": point(i), "address": 2 * i, "raw": raw, "value": value}) + "\n"


def context(instrument, floats):
    from pymodbus.datastore import ModbusSequentialDataBlock, ModbusServerContext, ModbusSlaveContext

    class Block(ModbusSequentialDataBlock):
        def getValues(self, address, count=1):
            return instrument.registers(address, count)

    return ModbusServerContext(slaves=ModbusSlaveContext(hr=Block(0, [0] * (2 * floats)), zero_mode=True), single=True)


async def serve(args):
    from pymodbus.server.async_io import ModbusTcpServer

    server = ModbusTcpServer(context(Instrument(args), args.floats), address=(args.host, args.port), allow_reuse_address=True)
    serving = asyncio.ensure_future(server.serve_forever())
    await asyncio.wait({serving, server.serving}, return_when=asyncio.FIRST_COMPLETED)
    if serving.done():
        serving.result()  # raises why it could not listen
    host, port = server.server.sockets[0].getsockname()[:2]
    print(f"listening on {host}:{port}", flush=True)
    await serving


if __name__ == "__main__":
    arguments = parse_arguments()
    if arguments.print_profile:
        print_profile(arguments)
    elif arguments.log is None:
        raise SystemExit("pymodbus_server.py: --log is needed")
    else:
        asyncio.run(serve(arguments))
