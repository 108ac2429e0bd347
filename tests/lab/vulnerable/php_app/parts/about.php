<?php /* what every office page begins with */ ?><p>About this office</p>
