"""What a tenant must have to be told of a type of event: what reading of it takes.

- It is judged whenever something is told: when a credential reads, when an event is routed, and
  again right before it is sent or made a task. After a downgrade nothing of it is told.
- What is not named here takes nothing.
"""

from __future__ import annotations
