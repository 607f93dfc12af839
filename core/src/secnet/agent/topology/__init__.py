"""`secnet topology`: the networks of one node as a drawing, from the files that the agent leaves in its run directory.

Of a driver's node report it takes the details `bridges` (names) and `uplinks` (bridge -> names), of a network's report the
detail `bridge`. A driver that gives none of them is drawn under the name of its network type.
"""

from ._model import Bridge, Interface, Segment, Topology, Uplink, build
from ._svg import draw_svg
from ._text import draw_text

__all__ = ["Bridge", "Interface", "Segment", "Topology", "Uplink", "build", "draw_svg", "draw_text"]
