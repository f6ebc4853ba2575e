"""Contract test suites for third parties: subclass one, run pytest."""

from moesaic.testing._executors import ExecutorContract as ExecutorContract
from moesaic.testing._planners import PlannerContract as PlannerContract
from moesaic.testing._spaces import SearchSpaceContract as SearchSpaceContract
from moesaic.testing._strategies import StrategyContract as StrategyContract
from moesaic.testing._surrogates import SurrogateContract as SurrogateContract
from moesaic.testing._toy_space import ToySpace as ToySpace
