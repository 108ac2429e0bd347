<p>About this office</p>
