"""How fast a model runs on this machine: inference, preparation of pictures, the whole loop, a soak.

``edgecnn.runtime.bench.benchmark`` measures everything; ``choose_num_threads`` only looks which
number of threads is best, in a fraction of a second.
"""

from edgecnn.runtime.bench.threads import ThreadChoice, choose_num_threads

__all__ = ["ThreadChoice", "choose_num_threads"]
