"""What values and scales mean on every board, and the choices that boards share."""

from __future__ import annotations

from deploy.grafana.code import flux
from deploy.grafana.code.house import AMBER, BLUE, GREEN, RED, SHOP_URL, TIME, Steps, choice
from monitor.sinks.influx_schema import AGENT, LINE, MEASURE, SHOP

FLAG = {"0": ("否 no", GREEN), "1": ("是 yes", RED)}
READY = {"0": ("未就绪 not ready", RED), "1": ("就绪 ready", GREEN)}
BUDGET: Steps = ((None, RED), (1, AMBER), (10, GREEN))  # misses left: none, few, some
WAITING: Steps = ((None, RED), (0, GREEN), (60_000, AMBER), (180_000, RED))  # 3 minutes are a usual limit
FEW: Steps = ((None, RED), (0, GREEN), (1, AMBER))
CALM: Steps = ((None, RED), (0, BLUE))  # a number that is neither good nor bad, but must be there
STALE: Steps = ((None, RED), (0, GREEN), (30, AMBER), (60, RED))  # seconds
DELAY: Steps = ((None, RED), (0, GREEN), (30_000, AMBER), (120_000, RED))
SHARE = "percentunit"
TO_SHOP = f"{SHOP_URL}&{TIME}"
TO_ALERTS = f"/d/slawatch-alerts?{TIME}"
TO_SELF = f"/d/slawatch-self?{TIME}"

CHOOSE_PLATFORM = choice("platform", "平台 platform", flux.values(SHOP, "platform"))
CHOOSE_SHOP = choice("shop", "店铺 shop", flux.values(SHOP, "shop", 'r.platform == "${platform}"'))
CHOOSE_LINE = choice("line", "红线 line", flux.values(LINE, "line", flux.ONE_SHOP))
CHOOSE_MEASURE = choice("measure", "指标 measure", flux.values(MEASURE, "measure", flux.ONE_SHOP))
CHOOSE_AGENT_MEASURE = choice("measure", "指标 measure", flux.values(AGENT, "measure", flux.ONE_SHOP))
